/* `pixels DENOMINATOR OUT PICTURE...` decodes JPEG files as the engine does, without Rust.
 *
 * For each it writes OUT/<number>.rgb and prints its size and outcome. It shows that the C part gives
 * the same pixels on another processor and without SIMD. */
#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

static uint8_t *read_file(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  uint8_t *content;
  if (!file || fseek(file, 0, SEEK_END)) exit(2);
  *bytes = (size_t)ftell(file);
  rewind(file);
  content = malloc(*bytes + 1);
  if (!content || fread(content, 1, *bytes, file) != *bytes) exit(2);
  fclose(file);
  return content;
}

static void write_file(const char *folder, int number, const uint8_t *content, size_t bytes) {
  char path[4096];
  FILE *file;
  snprintf(path, sizeof path, "%s/%d.rgb", folder, number);
  file = fopen(path, "wb");
  if (!file || fwrite(content, 1, bytes, file) != bytes || fclose(file)) exit(2);
}

int main(int count, char **arguments) {
  int i;
  for (i = 3; i < count; i++) {
    struct glimpse_jpeg_request request = {.memory = 1u << 30, .scans = 100};
    struct glimpse_jpeg_report report;
    int outcome;
    uint8_t *data = read_file(arguments[i], &request.data_bytes);
    request.data = data;
    request.denominator = (uint32_t)atoi(arguments[1]);
    outcome = glimpse_jpeg(&request, &report);
    if (outcome == GLIMPSE_JPEG_DONE) {
      request.out_bytes = (size_t)report.out_width * report.out_height * report.out_components;
      request.out = malloc(request.out_bytes);
      if (!request.out) exit(2);
      outcome = glimpse_jpeg(&request, &report);
      if (outcome == GLIMPSE_JPEG_DONE) write_file(arguments[2], i - 3, request.out, request.out_bytes);
      free(request.out);
    }
    printf("%d %u %u\n", outcome, report.out_width, report.out_height);
    free(data);
  }
  return 0;
}
