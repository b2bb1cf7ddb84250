/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A crew: as many at once as it may be, and nothing that was pushed is forgotten. */
#include <hv/hv-private.h>

#define MAX_THREADS 4
#define N_ITEMS     200

typedef struct Site {
    GMutex lock;
    GCond changed;
    guint inside, most, done; /* [lock] */
    gboolean open;            /* [lock] who is inside may leave */
    guint last;               /* [lock] number of the item that was begun last */
    gboolean in_order;        /* [lock] */
} Site;

static void
pass(gpointer item, gpointer data)
{
    Site *site = data;

    g_mutex_lock(&site->lock);
    site->in_order &= GPOINTER_TO_UINT(item) == site->last + 1;
    site->last = GPOINTER_TO_UINT(item);
    site->inside++;
    site->most = MAX(site->most, site->inside);
    g_cond_broadcast(&site->changed);
    while (!site->open)
        g_cond_wait(&site->changed, &site->lock);
    site->inside--;
    site->done++;
    g_mutex_unlock(&site->lock);
}

static HvCrew *
site_open(Site *site, guint max_threads)
{
    g_autoptr(GError) error = NULL;
    HvCrew *crew = hv_crew_new("crew", max_threads, pass, site, &error);

    g_assert_no_error(error);
    g_mutex_init(&site->lock);
    g_cond_init(&site->changed);
    site->in_order = TRUE;
    for (guint i = 1; i <= N_ITEMS; i++)
        hv_crew_push(crew, GUINT_TO_POINTER(i));
    return crew;
}

static void
let_go(Site *site)
{
    g_mutex_lock(&site->lock);
    site->open = TRUE;
    g_cond_broadcast(&site->changed);
    g_mutex_unlock(&site->lock);
}

static void
site_clear(Site *site)
{
    g_mutex_clear(&site->lock);
    g_cond_clear(&site->changed);
}

static void
test_many(void)
{
    Site site = { 0 };
    HvCrew *crew = site_open(&site, MAX_THREADS);

    /* Each item that may have a thread gets one, however long the others last. */
    g_mutex_lock(&site.lock);
    while (site.inside < MAX_THREADS)
        g_cond_wait(&site.changed, &site.lock);
    g_mutex_unlock(&site.lock);
    let_go(&site);
    hv_crew_free(crew, TRUE);
    g_assert_cmpuint(site.done, ==, N_ITEMS);
    g_assert_cmpuint(site.most, ==, MAX_THREADS);
    site_clear(&site);
}

static void
test_one(void)
{
    Site site = { 0 };
    HvCrew *crew = site_open(&site, 1);

    let_go(&site);
    hv_crew_free(crew, TRUE);
    g_assert_cmpuint(site.done, ==, N_ITEMS);
    g_assert_cmpuint(site.most, ==, 1);
    g_assert_true(site.in_order);
    site_clear(&site);
}

/* Its owner goes; what was pushed is done all the same. */
static void
test_left(void)
{
    Site site = { 0 };
    HvCrew *crew = site_open(&site, MAX_THREADS);

    hv_crew_free(crew, FALSE);
    let_go(&site);
    g_mutex_lock(&site.lock);
    while (site.done < N_ITEMS) {
        g_mutex_unlock(&site.lock);
        g_usleep(1000);
        g_mutex_lock(&site.lock);
    }
    g_mutex_unlock(&site.lock);
    site_clear(&site);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hv/crew/many", test_many);
    g_test_add_func("/hv/crew/one", test_one);
    g_test_add_func("/hv/crew/left", test_left);
    return g_test_run();
}
