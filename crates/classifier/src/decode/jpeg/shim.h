/* The one function between Rust and libjpeg-turbo; `turbo.rs` repeats these declarations. */
#ifndef GLIMPSE_JPEG_H
#define GLIMPSE_JPEG_H

#include <stddef.h>
#include <stdint.h>

enum glimpse_jpeg_outcome {
  GLIMPSE_JPEG_DONE = 0,
  GLIMPSE_JPEG_CORRUPT = 1, /* also where scan data is missing */
  GLIMPSE_JPEG_MEMORY = 2,
  GLIMPSE_JPEG_SCANS = 3, /* more scans than were allowed */
  GLIMPSE_JPEG_BUFFER = 4, /* `out` is too small */
  /* Variants that libjpeg-turbo or this file does not decode. */
  GLIMPSE_JPEG_LATE_HEIGHT = 10, /* the height comes after the first scan (DNL) */
  GLIMPSE_JPEG_HIERARCHICAL = 11,
  GLIMPSE_JPEG_LOSSLESS_ARITHMETIC = 12,
  GLIMPSE_JPEG_LS = 13,
  GLIMPSE_JPEG_PRECISION = 14,
  GLIMPSE_JPEG_COLOUR = 15,
  GLIMPSE_JPEG_SAMPLING = 16
};

enum glimpse_jpeg_colour {
  GLIMPSE_JPEG_RGB = 0,       /* RGB, whatever the file's markers say that it holds */
  GLIMPSE_JPEG_STORED = 1,    /* the components as they are */
  GLIMPSE_JPEG_FROM_YCBCR = 2, /* RGB from three components that are YCbCr, whatever the markers say */
  GLIMPSE_JPEG_REPEATED = 3    /* the components as they are, upsampled by repetition */
};

struct glimpse_jpeg_request {
  const uint8_t *tables; /* a stream of tables alone that the picture needs, or none */
  size_t tables_bytes;
  const uint8_t *data;
  size_t data_bytes;
  size_t memory;        /* most bytes that are kept between scans */
  int32_t scans;        /* most scans */
  int32_t colour;       /* enum glimpse_jpeg_colour */
  uint32_t denominator; /* of the scale: 1, 2, 4 or 8 */
  uint8_t *out;         /* NULL: only the header is read */
  size_t out_bytes;
};

struct glimpse_jpeg_report {
  uint32_t width; /* as in the header */
  uint32_t height;
  uint32_t out_width; /* scaled and rounded up */
  uint32_t out_height;
  uint32_t out_components;
  uint32_t components;
  uint32_t precision; /* bits of a sample */
  uint32_t lossless;
  uint32_t multiple_scans;
  uint32_t arithmetic;
  uint64_t kept_bytes; /* kept until the last of several scans */
  uint64_t row_bytes;  /* working rows, an upper bound */
};

/* Fills `report` as far as the header goes, then `out` with rows of 8-bit samples without padding;
 * wider or narrower samples are scaled by their range. Returns an enum glimpse_jpeg_outcome. */
int32_t glimpse_jpeg(const struct glimpse_jpeg_request *request,
                     struct glimpse_jpeg_report *report);

#endif
