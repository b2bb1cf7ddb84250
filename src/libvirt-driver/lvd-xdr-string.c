/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The generated code is compiled with this in the place of xdr_string(), for three reasons. That
 * one
 *  - applies the limit when it frees as well: a string too long to be encoded would be lost, with
 *    all that stands behind it;
 *  - allocates what the length word says before it looks whether that much has come;
 *  - reads the padding into a buffer that all threads share.
 */
#include <rpc/rpc.h> /* with xdr_string renamed: declares lvd_xdr_string() */
#include <stdlib.h>

#undef xdr_string
extern bool_t xdr_string(XDR *xdr, char **text, u_int most);

/* From memory only, as all our streams are: x_handy is what is left. */
static bool_t
decode(XDR *xdr, char **text, u_int most)
{
    u_int length;
    char padding[3];
    char *bytes;

    if (!xdr_u_int(xdr, &length) || length > most || length > xdr->x_handy)
        return FALSE;
    bytes = malloc((size_t)length + 1);
    if (!bytes)
        return FALSE;
    bytes[length] = '\0';
    *text = bytes; /* freed with the rest, whatever comes */
    return XDR_GETBYTES(xdr, bytes, length) && XDR_GETBYTES(xdr, padding, -length & 3);
}

bool_t
lvd_xdr_string(XDR *xdr, char **text, u_int most)
{
    switch (xdr->x_op) {
    case XDR_DECODE:
        return decode(xdr, text, most);
    case XDR_FREE:
        free(*text);
        *text = NULL;
        return TRUE;
    default:
        return xdr_string(xdr, text, most);
    }
}
