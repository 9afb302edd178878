/* What the SQL about results (results.h) has in common. Private to shared/data. */
#ifndef MR_DATA_RESULT_SQL_H
#define MR_DATA_RESULT_SQL_H

/* What the name of a task's file means for its outputs. */
#define MR_RESULT_NAME_PART " CASE WHEN options ? 'filmstrip' THEN original_file ELSE original_format END"

/* All that has to be the same in one number, of a row of tasks; with the checksum of the input and the engine. Numbers of
 * options that are equal (1 and 1.0) have one hash. Another release of PostgreSQL may hash otherwise: then results from
 * before answer nothing. */
#define MR_RESULT_HASH(crc32c, engine)                                                                       \
    " hashtextextended(concat_ws('/', user_id, kind, new_format, original_size, " engine                     \
    "," MR_RESULT_NAME_PART "), jsonb_hash_extended(coalesce(options, '{}'), " crc32c "))"

/* The condition of the index tasks_results, word for word (task_rows.h). */
#define MR_RESULT_IS_VALID " CASE status WHEN 'processed' THEN result_generation = generation END"

#endif
