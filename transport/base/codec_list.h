/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Codecs, the list: the ways to make a page smaller, a row each. From it come the kinds of records
 * (wire.h), the offer's bits (features.h), the names that users type (compress_mode.h), and the
 * table with the functions (codecs.c), which a codec's own file has.
 */
#ifndef XF_TRANSPORT_BASE_CODEC_LIST_H
#define XF_TRANSPORT_BASE_CODEC_LIST_H

/*
 * X(NAME, name, record, feature, most)
 *
 * NAME     XF_RECORD_NAME, XF_FEATURE_NAME, XF_COMPRESS_NAME
 * name     what users type, and xf_codec_name of the codec's file
 * record   its kind on the wire; never used again
 * feature  its bit in the offer; never used again
 * most     bytes of one page on the wire
 */
#define XF_CODECS(X) X(LZ4, lz4, 7, 2, 4095)

#endif
