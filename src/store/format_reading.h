/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format_reading.h -- logged readings in every format that sensorlink-log offers.
 *
 *   table   aligned; the time is the sensor's, or when it was received where the sensor had none
 *   csv     received,time,sensor,name,value,unit,stream,seq; times as Unix seconds
 *   json    an array of objects with the same names; while following, one object a line
 *   senml   RFC 8428: an array of records; while following, one array a line
 *   influx  InfluxDB's line protocol: name,sensor=S[,unit=U] value=V <ns>
 *
 * Memory   The caller owns struct sl_reading_writer. Nothing allocates.
 * Limits   None of its own.
 * Threads  One thread at a time.
 */
#ifndef SL_STORE_FORMAT_READING_H
#define SL_STORE_FORMAT_READING_H

#include "store/format.h"
#include "store/reader.h"

enum { SL_WRITER_SENSOR_MAX = 64 };

struct sl_reading_writer {
    struct sl_rows rows; /* its `out`, `format`, `lines` and `bold` hold for all formats */
    size_t sensor_len;
    char sensor[SL_WRITER_SENSOR_MAX]; /* SenML: whose base name stands */
};

/*
 * Starts on `out`; `following` is for readings that come as they are logged. Statuses as in
 * format.h.
 */
SL_MUST_USE enum sl_status sl_reading_writer_begin(struct sl_reading_writer *writer, FILE *out,
                                                   enum sl_format format, bool following,
                                                   bool bold);
SL_MUST_USE enum sl_status sl_reading_writer_add(struct sl_reading_writer *writer,
                                                 const struct sl_logged *logged);
SL_MUST_USE enum sl_status sl_reading_writer_end(struct sl_reading_writer *writer);

#endif
