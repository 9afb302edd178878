#include "worker/sandbox_verdict.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

void mr_verdict_free(struct mr_verdict *verdict)
{
    json_decref(verdict->receipt);
}

enum mr_status mr_sandbox_broken_protocol(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "decoder broke the protocol: %s", what);
}

static enum mr_status take_failure(struct mr_verdict *verdict, const json_t *value, struct mr_err *err)
{
    const char *name, *detail;
    json_int_t encode_audio = 0;
    if (json_unpack((json_t *)(uintptr_t)value, "{s:s, s:s, s?I}", "code", &name, "detail", &detail,
                    "encode_audio", &encode_audio) < 0)
        return mr_sandbox_broken_protocol(err, "failure without code or detail");
    enum mr_code code = mr_code_find(name);
    if (code == MR_CODE_NONE || !(mr_code_row(code)->places & MR_CODE_IN_CHILD))
        return mr_sandbox_broken_protocol(err, "failure with an unknown code");
    verdict->encode_audio = (uint32_t)encode_audio;
    mr_fail_code(&verdict->failure, code, "%s", detail); /* may quote the file */
    return MR_OK;
}

static enum mr_status take_progress(struct mr_verdict *verdict, uint32_t permille, struct mr_err *err)
{
    if (permille > MR_PROGRESS_DONE)
        return mr_sandbox_broken_protocol(err, "progress out of range");
    if ((int)permille > verdict->permille)
        verdict->permille = (int)permille;
    return MR_OK;
}

enum mr_status mr_verdict_take(struct mr_verdict *verdict, const struct mr_status_record *record,
                               const char *text, struct mr_err *err)
{
    if (verdict->receipt || verdict->failure.status != MR_OK)
        return mr_sandbox_broken_protocol(err, "status after the result");
    if (record->type == MR_STATUS_PROGRESS && record->len == 0)
        return take_progress(verdict, record->value, err);

    MR_AUTO_JSON json_t *value = NULL;
    enum mr_status status = mr_json_parse(text, record->len, JSON_REJECT_DUPLICATES, &value, err);
    if (status == MR_EXHAUSTED)
        return status;
    if (!json_is_object(value))
        return mr_sandbox_broken_protocol(err, "status is not a JSON object");
    if (record->type == MR_STATUS_FAILURE)
        return take_failure(verdict, value, err);
    if (record->type != MR_STATUS_RESULT)
        return mr_sandbox_broken_protocol(err, "status of an unknown type");
    verdict->receipt = MR_TAKE(value);
    return MR_OK;
}

/* The parent has not sent it: the kernel, at the hard limit of processor time or for lack of memory, or somebody
 * else on the machine. Only the first is a verdict about the file; for the others, see worker/job.c. */
static enum mr_status judge_kill(const struct mr_exit_record *record, const struct mr_sandbox_limits *limits,
                                 struct mr_err *err)
{
    if (limits->cpu_seconds > 0 && record->cpu_ms >= limits->cpu_seconds * 1000)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "decoder used up its processor time");
    /* Resident memory is always less than the address space that the limit is about. */
    if (limits->memory_mib > 0 && record->peak_kib / 1024 >= limits->memory_mib * 3 / 4)
        return mr_fail_code(err, MR_CODE_CHILD_KILLED_FULL, "decoder was killed with %lld MiB in memory",
                            (long long)record->peak_kib / 1024);
    return mr_fail_code(err, MR_CODE_CHILD_KILLED, "decoder was killed from outside");
}

static enum mr_status judge_signal(int signal_number, const struct mr_exit_record *record,
                                   const struct mr_sandbox_limits *limits, struct mr_err *err)
{
    switch (signal_number) {
    case SIGSYS:
        return mr_fail_code(err, MR_CODE_SANDBOX_VIOLATION,
                            "sandbox violation: decoder made a forbidden system call");
    case SIGXCPU:
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "decoder used up its processor time");
    case SIGKILL:
        return judge_kill(record, limits, err);
    default:
        return mr_fail_code(err, MR_CODE_DECODER_CRASHED, "decoder crashed (SIG%s)",
                            sigabbrev_np(signal_number) ? sigabbrev_np(signal_number) : "?");
    }
}

enum mr_status mr_verdict_decide(struct mr_verdict *verdict, const struct mr_sandbox_limits *limits,
                                 bool is_output_complete, json_t **ret_receipt, struct mr_err *err)
{
    if (verdict->exit.type != MR_EXIT_WAITED)
        return mr_fail_errno(err, MR_EXHAUSTED, verdict->exit.value, "fork a child of the sandbox");
    int wait_status = verdict->exit.value;
    if (WIFSIGNALED(wait_status))
        return judge_signal(WTERMSIG(wait_status), &verdict->exit, limits, err);
    if (verdict->failure.status != MR_OK)
        return mr_fail_from(err, &verdict->failure);
    if (WEXITSTATUS(wait_status) != 0)
        return mr_fail_code(err, MR_CODE_DECODER_CRASHED, "decoder exited with code %d",
                            WEXITSTATUS(wait_status));
    if (verdict->is_cut)
        return mr_sandbox_broken_protocol(err, "incomplete record");
    if (!verdict->receipt)
        return mr_sandbox_broken_protocol(err, "no result");
    if (!is_output_complete)
        return mr_sandbox_broken_protocol(err, "incomplete output");
    *ret_receipt = MR_TAKE(verdict->receipt);
    return MR_OK;
}
