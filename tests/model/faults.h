/* Faults that are planted in the product's behaviour, to show that the model finds them. */
#ifndef MR_TESTS_MODEL_FAULTS_H
#define MR_TESTS_MODEL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* What an actor does wrong. */
enum act {
    ACT_NONE,
    ACT_PUBLISH_BEFORE_INSERT,
    ACT_PUBLISH_BEFORE_REDO,
    ACT_MARK_BEFORE_PUBLISH,
    ACT_ACK_AT_CLAIM,
    ACT_ACK_REFUSED,
    ACT_IGNORE_LOST_HEARTBEAT,
    ACT_RELEASE_AFTER_COMMIT,
    ACT_CLAIM_WITH_NEW_ID,
    ACT_STORE_BEFORE_LEDGER,
    ACT_FORGET_BEFORE_DELETE,
    ACT_DROP_AFTER_LOST_ANSWER,
    ACT_DELETE_FILES_FIRST,
    ACT_VERDICT_FOR_FAULT,
    ACT_SKIP_START,
    ACT_DEFER_WITHOUT_DEBT,
};

struct fault {
    const char *name;
    const char *invariant;      /* that finds it first, or one of them: separated by "|" */
    const char *statement;      /* whose SQL is changed … */
    const char *text, *instead; /* … this text into that one */
    const char *schema;         /* or: SQL that changes the schema */
    enum act act;               /* or: what an actor does wrong */
};

extern const struct fault faults[];
size_t faults_count(void);
const struct fault *faults_find(const char *name);

/* The statement's SQL with the fault in it (malloc'ed), or NULL. Ends the program if the text is not in the SQL. */
char *faults_apply(const struct fault *fault, const char *statement, const char *sql);

#endif
