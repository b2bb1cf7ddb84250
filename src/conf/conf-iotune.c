/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <iotune> of a disk: numbers by the names of their elements, kept as text in the model. */
#include "conf-xml.h"

#include <string.h>

static xmlNode *
find(const xmlNode *iotune, const char *name)
{
    xmlNode *node = conf_xml_element(iotune->children);

    while (node && strcmp((const char *)node->name, name) != 0)
        node = conf_xml_element(node->next);
    return node;
}

static uint64_t
number_in(xmlNode *node)
{
    xmlChar *text = xmlNodeGetContent(node);
    guint64 number = 0;

    if (text)
        g_ascii_string_to_unsigned(g_strstrip((char *)text), 10, 0, G_MAXUINT64, &number, NULL);
    xmlFree(text);
    return number;
}

uint64_t
conf_disk_iotune(const ConfDisk *disk, const char *name)
{
    g_autoptr(ConfXmlNode) iotune = disk->iotune_extra ? conf_xml_read_element(disk->iotune_extra)
                                                       : NULL;
    xmlNode *node = iotune ? find(iotune, name) : NULL;

    return node ? number_in(node) : 0;
}

void
conf_disk_set_iotune(ConfDisk *disk, const char *name, uint64_t value)
{
    g_autoptr(ConfXmlNode)
        iotune = conf_xml_read_element(disk->iotune_extra ? disk->iotune_extra : "<iotune/>");
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);
    xmlNode *node;

    if (!iotune)
        return;
    node = find(iotune, name);
    if (node) {
        xmlUnlinkNode(node);
        xmlFreeNode(node);
    }
    if (value > 0)
        xmlNodeSetContent(conf_xml_add(iotune, name), BAD_CAST text);
    g_free(disk->iotune_extra);
    disk->iotune_extra = conf_xml_element(iotune->children) ? conf_xml_to_string(iotune) : NULL;
}
