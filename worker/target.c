#include "worker/target.h"

enum { BASE_S = 60, FETCH_S = 600 };
static const double SECONDS_PER_MB = 2;

double mr_target_seconds(const struct mr_claim *claim)
{
    bool is_fetched = claim->url && *claim->url && claim->input_size <= 0;
    return is_fetched ? FETCH_S : BASE_S + SECONDS_PER_MB * (double)claim->input_size / 1e6;
}

bool mr_target_is_missed(const struct mr_claim *claim, double seconds)
{
    return (double)claim->queued_ms / 1e3 + seconds > mr_target_seconds(claim);
}
