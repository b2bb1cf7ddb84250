/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree that the formatter builds. Elements, attributes and text come from a few large blocks
 * and go with them: of libxml2's nodes each would be four allocations or more. What is kept of a
 * document that was read stays libxml2's, and hangs in the tree as it is.
 */
#pragma once

#include "conf-xml.h"

typedef struct OutTree OutTree;
typedef struct OutElement OutElement;

/* The root is called `name`, which stays the caller's. */
OutTree *conf_out_new(const char *name);
void conf_out_free(OutTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutTree, conf_out_free)
OutElement *conf_out_root(OutTree *tree);
/* Not zeroed, good until the end of the tree: for who builds it. */
void *conf_out_memory(OutTree *tree, size_t size);

/* The last child of `parent`. `len` bytes of `name` count, and are copied. */
OutElement *conf_out_add(OutTree *tree, OutElement *parent, const char *name, size_t len);
/* The same in a namespace, for which `prefix` is used where it has none yet. */
OutElement *conf_out_add_ns(OutTree *tree, OutElement *parent, const char *name, size_t len,
                            const char *href, const char *prefix);
/* The last child again: it turned out to have nothing to say. */
void conf_out_drop_last(OutElement *parent);
bool conf_out_is_empty(const OutElement *element); /* no attribute, no child */
/* The user's own elements stand in it: libvirt's style changes to that of metadata inside. */
void conf_out_set_of_user(OutElement *element);

/* Cleaned; replaces one of the same name. */
void conf_out_set_attribute(OutTree *tree, OutElement *element, const char *name,
                            const char *value);
void conf_out_set_text(OutTree *tree, OutElement *element, const char *value);
/* A copy of the attribute; one that the element has already stays. */
void conf_out_take_attribute(OutTree *tree, OutElement *element, const xmlAttr *attr);
/* Takes the node, as the last child. */
void conf_out_take_node(OutTree *tree, OutElement *element, ConfXmlNode *node);

/* As libvirt lays out a document. */
char *conf_out_print(const OutTree *tree);
