/* Reads the header of a JPEG picture, or decodes it, with libjpeg-turbo 3, under limits.
 *
 * libjpeg reports an error by a jump out of the middle of its work, which may not cross frames of
 * Rust, and names a warning by a code that only its own interface gives. Both stay in this file:
 * `glimpse_jpeg` always returns, and always frees what it took.
 *
 * The library's defaults are kept (accurate inverse DCT, smooth chroma upsampling), because Pillow
 * and the browsers keep them too: at full scale the pixels are theirs, bit for bit.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "shim.h"

_Static_assert(sizeof(void *) != 8 || sizeof(struct glimpse_jpeg_request) == 72, "see turbo.rs");
_Static_assert(sizeof(struct glimpse_jpeg_report) == 56, "see turbo.rs");

/* Rows that one call may give; the library gives one to four at a time. */
#define ROWS 8

struct session {
  struct jpeg_decompress_struct cinfo; /* first: the callbacks get its address */
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  const struct glimpse_jpeg_request *request;
  jmp_buf end;
  enum glimpse_jpeg_outcome outcome;
  int scan;             /* the last one that the progress monitor saw */
  unsigned seen;        /* one bit for each component that some scan held */
  int ended_early;      /* the data ended before the end marker */
};

static void stop(struct session *session, enum glimpse_jpeg_outcome outcome) {
  session->outcome = outcome;
  longjmp(session->end, 1);
}

static void error_exit(j_common_ptr common) {
  struct session *session = (struct session *)common;
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  switch (session->errors.msg_code) {
  case JERR_OUT_OF_MEMORY:
  case JERR_NO_BACKING_STORE:
    stop(session, GLIMPSE_JPEG_MEMORY);
    break;
  case JERR_EMPTY_IMAGE:
    stop(session, cinfo->image_height == 0 && cinfo->image_width > 0 && cinfo->num_components > 0
                      ? GLIMPSE_JPEG_LATE_HEIGHT
                      : GLIMPSE_JPEG_CORRUPT);
    break;
  case JERR_SOF_UNSUPPORTED:
    stop(session, GLIMPSE_JPEG_HIERARCHICAL);
    break;
  case JERR_ARITH_NOTIMPL:
    stop(session, GLIMPSE_JPEG_LOSSLESS_ARITHMETIC);
    break;
  case JERR_UNKNOWN_MARKER:
    stop(session, session->errors.msg_parm.i[0] == 0xf7 ? GLIMPSE_JPEG_LS : GLIMPSE_JPEG_CORRUPT);
    break;
  case JERR_BAD_PRECISION:
    stop(session, GLIMPSE_JPEG_PRECISION);
    break;
  case JERR_COMPONENT_COUNT:
  case JERR_CONVERSION_NOTIMPL:
    stop(session, GLIMPSE_JPEG_COLOUR);
    break;
  case JERR_FRACT_SAMPLE_NOTIMPL:
  case JERR_CCIR601_NOTIMPL:
    stop(session, GLIMPSE_JPEG_SAMPLING);
    break;
  default:
    stop(session, GLIMPSE_JPEG_CORRUPT);
  }
}

/* Warnings have a negative level; the others are only remarks. */
static void emit_message(j_common_ptr common, int level) {
  struct session *session = (struct session *)common;
  if (level >= 0) return;
  switch (session->errors.msg_code) {
  case JWRN_EXTRANEOUS_DATA: /* between two segments, or after the last sample */
  case JWRN_JFIF_MAJOR:
  case JWRN_ADOBE_XFORM:
  case JWRN_NOT_SEQUENTIAL: /* parameters of a scan that only progressive pictures have */
  case JWRN_BOGUS_ICC:
    return;
  case JWRN_JPEG_EOF:
    session->ended_early = 1;
    /* An arithmetic decoder takes zeros for what is missing, without a warning. */
    if (!session->cinfo.arith_code) return;
    break;
  default: /* scan data is missing or broken */
    break;
  }
  stop(session, GLIMPSE_JPEG_CORRUPT);
}

static void output_message(j_common_ptr common) { (void)common; }

/* Whether more than about a sixteenth of a scan is still to come although its data has ended.
 *
 * Huffman decoders warn; an arithmetic decoder can not, since an encoder may leave out zeros at the
 * end. They decode to a flat area. Refinement of coefficients often needs no data at all. */
static int lacks_arithmetic_data(const struct jpeg_decompress_struct *cinfo) {
  JDIMENSION rows = cinfo->total_iMCU_rows, done = cinfo->input_iMCU_row;
  int first = cinfo->Ss == 0 && cinfo->Ah == 0;
  int ended = cinfo->unread_marker != 0 && (cinfo->unread_marker & 0xf8) != JPEG_RST0;
  JDIMENSION allowed = rows < 8 ? 0 : rows / 16 + 1;
  return cinfo->arith_code && first && ended && done < rows && rows - done > allowed;
}

static void progress_monitor(j_common_ptr common) {
  struct session *session = (struct session *)common;
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  int i;
  if (cinfo->input_scan_number != session->scan) {
    session->scan = cinfo->input_scan_number;
    if (session->scan > session->request->scans) stop(session, GLIMPSE_JPEG_SCANS);
    for (i = 0; i < cinfo->comps_in_scan; i++)
      session->seen |= 1u << cinfo->cur_comp_info[i]->component_index;
  } else if (lacks_arithmetic_data(cinfo)) {
    stop(session, GLIMPSE_JPEG_CORRUPT);
  }
}

/* Refuse a picture of which a component, or coefficients of one, never came. */
static void check_scans(struct session *session) {
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  int component, i, strict = session->ended_early || cinfo->arith_code;
  if (session->seen != (1u << cinfo->num_components) - 1) stop(session, GLIMPSE_JPEG_CORRUPT);
  if (!cinfo->progressive_mode || cinfo->coef_bits == NULL) return;
  for (component = 0; component < cinfo->num_components; component++) {
    for (i = 0; i < DCTSIZE2; i++) {
      /* -1: never sent. Above 0: so many low bits were never sent, which an encoder may choose. */
      int missing = cinfo->coef_bits[component][i];
      if (missing < 0 || (missing > 0 && strict)) stop(session, GLIMPSE_JPEG_CORRUPT);
    }
  }
}

static int is_stored(const struct session *session) {
  return session->request->colour == GLIMPSE_JPEG_STORED ||
         session->request->colour == GLIMPSE_JPEG_REPEATED;
}

static void choose_colours(struct session *session) {
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  switch (session->request->colour) {
  case GLIMPSE_JPEG_REPEATED:
    cinfo->do_fancy_upsampling = FALSE;
    /* fall through */
  case GLIMPSE_JPEG_STORED:
    cinfo->jpeg_color_space = cinfo->out_color_space = JCS_UNKNOWN;
    break;
  case GLIMPSE_JPEG_FROM_YCBCR:
    if (cinfo->num_components != 3) stop(session, GLIMPSE_JPEG_COLOUR);
    cinfo->jpeg_color_space = JCS_YCbCr;
    cinfo->out_color_space = JCS_RGB;
    break;
  default: /* libjpeg's choice, by the file's markers, is Pillow's too */
    if (cinfo->out_color_space == JCS_UNKNOWN) stop(session, GLIMPSE_JPEG_COLOUR);
  }
}

static uint64_t round_up(uint64_t number, uint64_t step) {
  return (number + step - 1) / step * step;
}

static void describe(struct jpeg_decompress_struct *cinfo,
                     struct glimpse_jpeg_report *report) {
  int i;
  report->width = cinfo->image_width;
  report->height = cinfo->image_height;
  report->components = (uint32_t)cinfo->num_components;
  report->precision = (uint32_t)cinfo->data_precision;
  /* Before the output's size is calculated, this is the side of a data unit: 8, or 1. */
  report->lossless = cinfo->comp_info[0].DCT_scaled_size == 1;
  report->multiple_scans = jpeg_has_multiple_scans(cinfo);
  report->arithmetic = cinfo->arith_code;
  for (i = 0; i < cinfo->num_components; i++) {
    const jpeg_component_info *one = &cinfo->comp_info[i];
    uint64_t across = round_up(one->width_in_blocks, one->h_samp_factor);
    uint64_t down = round_up(one->height_in_blocks, one->v_samp_factor);
    uint64_t side = report->lossless ? 1 : DCTSIZE;
    uint64_t unit = report->lossless ? sizeof(J16SAMPLE) : DCTSIZE2 * sizeof(JCOEF);
    /* Rows of a row group and its neighbours, and of the full width; two-byte samples at most. */
    uint64_t own = across * side * (uint64_t)one->v_samp_factor * (DCTSIZE + 4);
    uint64_t full = cinfo->image_width * (uint64_t)cinfo->max_v_samp_factor * 4;
    if (report->multiple_scans) report->kept_bytes += across * down * unit;
    report->row_bytes += 2 * (own + full);
  }
}

static uint8_t to_8_bits(unsigned value, unsigned most) {
  return (uint8_t)(value >= most ? 255 : (value * 255u + most / 2) / most);
}

/* As Pillow converts CMYK, which it takes to be inverted in every file. */
static void cmyk_to_rgb(const uint8_t *from, uint8_t *to) {
  unsigned white = from[3], i;
  for (i = 0; i < 3; i++) {
    unsigned ink = (255u - from[i]) * white + 128;
    to[i] = (uint8_t)(white - ((ink + (ink >> 8)) >> 8));
  }
}

/* A row of RGB from one of 1, 3 or 4 components. */
static void to_rgb(const uint8_t *from, uint8_t *to, JDIMENSION width, unsigned components) {
  JDIMENSION x;
  for (x = 0; x < width; x++, from += components, to += 3) {
    if (components == 4)
      cmyk_to_rgb(from, to);
    else if (components == 1)
      to[0] = to[1] = to[2] = from[0];
    else
      memcpy(to, from, 3);
  }
}

/* One row of samples of 2 to 16 bits, scaled to 8. */
static void read_row(struct jpeg_decompress_struct *cinfo, void *wide, uint8_t *row, size_t samples) {
  unsigned most = (1u << cinfo->data_precision) - 1;
  size_t i;
  if (cinfo->data_precision <= 8) {
    jpeg_read_scanlines(cinfo, &row, 1);
    for (i = 0; most < 255 && i < samples; i++) row[i] = to_8_bits(row[i], most);
  } else if (cinfo->data_precision <= 12) {
    J12SAMPROW from = wide;
    jpeg12_read_scanlines(cinfo, &from, 1);
    for (i = 0; i < samples; i++) row[i] = from[i] < 0 ? 0 : to_8_bits((unsigned)from[i], most);
  } else {
    J16SAMPROW from = wide;
    jpeg16_read_scanlines(cinfo, &from, 1);
    for (i = 0; i < samples; i++) row[i] = to_8_bits(from[i], most);
  }
}

/* Rows through a buffer, where they are not 8-bit RGB as they come. */
static void read_converted(struct session *session, size_t pitch) {
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  j_common_ptr common = (j_common_ptr)cinfo;
  size_t samples = (size_t)cinfo->output_width * cinfo->output_components;
  void *wide = cinfo->mem->alloc_large(common, JPOOL_IMAGE, samples * sizeof(J16SAMPLE));
  uint8_t *row = cinfo->mem->alloc_large(common, JPOOL_IMAGE, samples);
  uint8_t *to = session->request->out;
  for (; cinfo->output_scanline < cinfo->output_height; to += pitch) {
    read_row(cinfo, wide, row, samples);
    if (is_stored(session))
      memcpy(to, row, samples);
    else
      to_rgb(row, to, cinfo->output_width, cinfo->output_components);
  }
}

static void read_directly(struct session *session, size_t pitch) {
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  JSAMPROW rows[ROWS];
  while (cinfo->output_scanline < cinfo->output_height) {
    JDIMENSION i, left = cinfo->output_height - cinfo->output_scanline;
    JDIMENSION wanted = left < ROWS ? left : ROWS;
    for (i = 0; i < wanted; i++)
      rows[i] = session->request->out + (cinfo->output_scanline + i) * pitch;
    jpeg_read_scanlines(cinfo, rows, wanted);
  }
}

static void read_tables(struct session *session) {
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  if (session->request->tables_bytes == 0) return;
  jpeg_mem_src(cinfo, session->request->tables, session->request->tables_bytes);
  if (jpeg_read_header(cinfo, FALSE) != JPEG_HEADER_TABLES_ONLY)
    stop(session, GLIMPSE_JPEG_CORRUPT);
  session->ended_early = 0;
}

static void decode(struct session *session, struct glimpse_jpeg_report *report) {
  struct jpeg_decompress_struct *cinfo = &session->cinfo;
  const struct glimpse_jpeg_request *request = session->request;
  size_t pitch;
  jpeg_create_decompress(cinfo);
  cinfo->progress = &session->progress;
  cinfo->mem->max_memory_to_use = (long)request->memory;
  read_tables(session);
  jpeg_mem_src(cinfo, request->data, request->data_bytes);
  jpeg_read_header(cinfo, TRUE);
  describe(cinfo, report);
  choose_colours(session);
  if (!report->lossless) cinfo->scale_denom = request->denominator;
  jpeg_calc_output_dimensions(cinfo);
  report->out_width = cinfo->output_width;
  report->out_height = cinfo->output_height;
  report->out_components = is_stored(session) ? (uint32_t)cinfo->num_components : 3;
  if (request->out == NULL) return;
  pitch = (size_t)report->out_width * report->out_components;
  if (request->out_bytes / pitch < report->out_height) stop(session, GLIMPSE_JPEG_BUFFER);
  jpeg_start_decompress(cinfo);
  if (cinfo->data_precision == 8 && report->out_components == (uint32_t)cinfo->output_components)
    read_directly(session, pitch);
  else
    read_converted(session, pitch);
  check_scans(session);
  /* Reads on to the end marker: what is wrong behind the last sample, Pillow refuses as well. */
  jpeg_finish_decompress(cinfo);
}

/* The one place that libjpeg's errors jump to; `session` lives in the caller's frame. */
static void guarded(struct session *session, struct glimpse_jpeg_report *report) {
  if (setjmp(session->end) == 0) decode(session, report);
}

int32_t glimpse_jpeg(const struct glimpse_jpeg_request *request,
                     struct glimpse_jpeg_report *report) {
  struct session session;
  memset(&session, 0, sizeof session);
  memset(report, 0, sizeof *report);
  session.request = request;
  session.cinfo.err = jpeg_std_error(&session.errors);
  session.errors.error_exit = error_exit;
  session.errors.emit_message = emit_message;
  session.errors.output_message = output_message;
  session.progress.progress_monitor = progress_monitor;
  guarded(&session, report);
  jpeg_destroy_decompress(&session.cinfo);
  return session.outcome;
}
