# mediarun: one non-recursive build. Every variant lives in build/<variant>/.
#
#   make [VARIANT=release|debug|asan|tsan|cov|fuzz] [CC=gcc|clang]
#   make run | test | format | lint | bench | clean
#   make variants WANTED="release asan"
#   make unit [T=test_tasks]    unit tests, or some of their programs
#   make model                  the model of the protocol, and the faults planted in it
#   make e2e [K=put]            end-to-end tests, or those whose names fit pytest's -k
#   make install                the command-line client and its manual page, below PREFIX (/usr/local) in DESTDIR
#
# A program is the list of its sources below; headers are tracked by the compiler (-MMD).

VARIANT ?= release
comma   := ,
CC      := $(if $(filter default,$(origin CC)),$(if $(filter fuzz,$(VARIANT)),clang,gcc),$(CC))
BUILD   := build/$(VARIANT)

PACKAGES := jansson libjwt libcrypto libcurl libpq libseccomp
AV_PACKAGES := libavformat libavcodec libavfilter libswresample libswscale libavutil
PKG_CONFIG ?= pkg-config
# Elsewhere than Debian's: AV_PREFIX=DIR, with static libraries as infra/ffmpeg.sh makes them.
AV_PKG_CONFIG := $(PKG_CONFIG)
ifdef AV_PREFIX
AV_PKG_CONFIG := PKG_CONFIG_PATH=$(AV_PREFIX)/lib/pkgconfig $(PKG_CONFIG) --static
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wmissing-prototypes -Wvla \
            -Wstrict-prototypes -Wundef -Wpointer-arith -Wwrite-strings -Werror
CPPFLAGS_all := -I. -D_GNU_SOURCE -include shared/base/banned.h
CFLAGS_all := -std=c17 -g -pthread -fno-common -fstack-protector-strong $(WARNINGS)

CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
CFLAGS_debug := -O0
# Their reports need functions and lines (-g1); the rest of -g takes a quarter of the compiler's time.
CFLAGS_asan  := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan  := -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_cov   := -O0 --coverage
LDFLAGS_cov  := --coverage
# libFuzzer is clang's.
CFLAGS_fuzz  := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_fuzz := -fsanitize=address,undefined
VARIANTS := release debug asan tsan cov fuzz
$(if $(filter $(VARIANT),$(VARIANTS)),,$(error VARIANT=$(VARIANT): one of $(VARIANTS)))

# Whoever builds web alone need not have libav.
INCLUDES := $(filter-out -I/usr/include,$(shell $(PKG_CONFIG) --cflags-only-I $(PACKAGES)) \
              $(shell $(AV_PKG_CONFIG) --cflags-only-I $(AV_PACKAGES) 2>/dev/null))
COMPILE = $(CC) $(patsubst -I%,-isystem %,$(INCLUDES)) $(CPPFLAGS_all) $(CPPFLAGS) $(CFLAGS_all) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LINK    = $(CC) -pthread $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS    = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lcivetweb -lisal -lunistring -lm
AV_LIBS = $(shell $(AV_PKG_CONFIG) --libs $(AV_PACKAGES))

# Sources.
shared_src   := $(sort $(wildcard shared/*/*.c))
web_src      := $(sort $(wildcard web/*.c web/api/*.c))
worker_src   := $(sort $(wildcard worker/*.c worker/kinds/*.c worker/media/*.c))
client_src   := $(sort $(wildcard client/*.c))
emulator_src := $(sort $(wildcard infra/local/emulator/*.c infra/local/emulator/*/*.c))
static_files := $(sort $(wildcard web/static/*))
migrations   := $(sort $(wildcard infra/migrations/*.sql))
unit_src     := $(sort $(wildcard tests/unit/test_*.c))
unit_helpers := $(sort $(filter-out $(unit_src),$(wildcard tests/unit/*.c)))
bench_src    := $(sort $(wildcard tests/bench/*.c))
model_src    := $(sort $(wildcard tests/model/*.c))
fuzz_src     := $(sort $(filter-out %/main.c,$(wildcard tests/fuzz/*.c)))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROGRAMS := $(BUILD)/mediarun-web $(BUILD)/mediarun-worker $(BUILD)/mediarun-emulator $(BUILD)/mediarun
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(unit_src))
BENCHES  := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(bench_src))

.PHONY: compile_commands.json screenshots all programs install units benches run test unit warm model e2e format format-check clang-check lint tables bench clean
.DELETE_ON_ERROR:
.SECONDARY:

all: programs
programs: $(PROGRAMS)
units: $(UNIT_TESTS)
benches: $(BENCHES)

# Programs and unit tests of several variants in one parallel make.
variants: $(WANTED:%=variant-%)
$(VARIANTS:%=variant-%): variant-%:
	$(MAKE) --no-print-directory VARIANT=$* programs units

$(BUILD)/libmediarun.a: $(call obj,$(shared_src))
	@rm -f $@
	ar rcsP $@ $^

# The SQL of the migrations and of the grants is linked into web, which applies it at its start.
$(BUILD)/gen/migrations.c: infra/embed.sh $(migrations) infra/grants.sql
	@mkdir -p $(@D)
	infra/embed.sh migrations $(migrations) > $@
	infra/embed.sh grants infra/grants.sql >> $@
$(BUILD)/obj/gen/migrations.o: $(BUILD)/gen/migrations.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# The pages and documents that web serves are linked into it. The page that converts loads its modules as one, and its styles.
page_styles := $(addprefix web/static/,tokens.css base.css app.css)
$(BUILD)/gen/page.mjs: infra/bundle.awk $(filter %.mjs,$(static_files))
	@mkdir -p $(@D)
	awk -f infra/bundle.awk -v entry=app $(filter %.mjs,$^) > $@.new
	mv $@.new $@
$(BUILD)/gen/page.css: $(page_styles)
	@mkdir -p $(@D)
	cat $^ > $@
$(BUILD)/gen/static.c: infra/embed.sh $(static_files) $(BUILD)/gen/page.mjs $(BUILD)/gen/page.css
	@mkdir -p $(@D)
	infra/embed.sh static $(filter-out infra/embed.sh,$^) > $@
$(BUILD)/obj/gen/static.o: $(BUILD)/gen/static.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# The logo of edited videos is linked into the worker.
$(BUILD)/gen/logo.c: infra/embed.sh worker/assets/logo.png
	@mkdir -p $(@D)
	infra/embed.sh logo worker/assets/logo.png > $@
$(BUILD)/obj/gen/logo.o: $(BUILD)/gen/logo.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# Loops over samples, which are compiled for larger registers, too (worker/media/clones.h).
sample_loops := k_weighting meter samples true_peak
$(sample_loops:%=$(BUILD)/obj/worker/media/%.o): CFLAGS += -ffp-contract=fast $(if $(filter release,$(VARIANT)),-O3)

web_generated := $(BUILD)/obj/gen/migrations.o $(BUILD)/obj/gen/static.o
worker_generated := $(BUILD)/obj/gen/logo.o
$(BUILD)/mediarun-web: $(call obj,$(web_src)) $(web_generated) $(BUILD)/libmediarun.a
	$(LINK) -o $@ $^ $(LIBS)
$(BUILD)/mediarun-worker: $(call obj,$(worker_src)) $(worker_generated) $(BUILD)/libmediarun.a
	$(LINK) -o $@ $^ $(LIBS) $(AV_LIBS)
$(BUILD)/mediarun-emulator: $(call obj,$(emulator_src)) $(BUILD)/libmediarun.a
	$(LINK) -o $@ $^ $(LIBS)
# It runs on machines that need none of a server's libraries.
$(BUILD)/mediarun: $(call obj,$(client_src)) $(BUILD)/libmediarun.a
	$(LINK) -o $@ $^ -Wl,--as-needed $(shell $(PKG_CONFIG) --libs jansson libcurl libcrypto) -lisal -lunistring -lm

# A unit test links what it tests: the library, and the rooms of the programs without their main.
$(BUILD)/libunits.a: $(call obj,$(filter-out %/main.c,$(web_src) $(worker_src) $(emulator_src) $(client_src))) $(web_generated) $(worker_generated)
	@rm -f $@
	ar rcsP $@ $^
# The default linker needs a second for each, because it loads all 200 libraries that FFmpeg's need; these do not.
QUICK_LINKER := $(addprefix -fuse-ld=,$(firstword $(foreach name,mold gold,$(if $(shell command -v ld.$(name)),$(name)))))
# What a test itself does takes no time, so it need not be optimised; on the release build it is, for the warnings.
$(if $(filter asan tsan,$(VARIANT)),$(unit_src:%.c=$(BUILD)/obj/%.o)): CFLAGS += -O0
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(unit_helpers)) $(BUILD)/libunits.a $(BUILD)/libmediarun.a
	@mkdir -p $(@D)
	$(LINK) $(QUICK_LINKER) -o $@ $^ $(LIBS) $(AV_LIBS) -lcmocka -lssl

# The fuzz targets are in a program of libFuzzer's, and in the unit test that replays their inputs. A target stands in for
# the functions that start and end a sandboxed child.
FUZZ_LINK := -Wl,--wrap=mr_sandbox_spawn,--wrap=mr_sandbox_child_end
$(BUILD)/gen/corpus.c: tests/fuzz/corpus.py $(wildcard tests/fuzz/corpus/*.txt)
	@mkdir -p $(@D)
	/usr/bin/python3 -B tests/fuzz/corpus.py c > $@
$(BUILD)/obj/gen/corpus.o: $(BUILD)/gen/corpus.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<
$(BUILD)/unit/test_fuzz_corpus: $(call obj,tests/unit/test_fuzz_corpus.c $(fuzz_src)) $(BUILD)/obj/gen/corpus.o $(BUILD)/libunits.a $(BUILD)/libmediarun.a
	@mkdir -p $(@D)
	$(LINK) $(QUICK_LINKER) $(FUZZ_LINK) -o $@ $^ $(LIBS) $(AV_LIBS) -lcmocka -lssl
$(BUILD)/mediarun-fuzz: $(call obj,tests/fuzz/main.c $(fuzz_src)) $(BUILD)/libunits.a $(BUILD)/libmediarun.a
	$(LINK) -fsanitize=fuzzer $(FUZZ_LINK) -o $@ $^ $(LIBS) $(AV_LIBS) -lssl
# The model of the protocol: the product's code, with its world wrapped.
MODEL_WRAPS := PQsendPrepare PQsendQueryPrepared mr_db_exec_within mr_db_exec mr_db_begin mr_db_commit \
               mr_lease_claim mr_lease_heartbeat mr_lease_commit mr_lease_fail mr_lease_release mr_lease_defer mr_delivery_claim \
               mr_publish mr_storage_delete mr_storage_cancel_session mr_webhook_send mr_delivery_mail_send \
               mr_bulkhead_enter mr_bulkhead_leave mr_time_monotonic_us nanosleep mr_random_bytes mr_uuid_generate \
               mr_heartbeat_start mr_heartbeat_stop mr_heartbeat_progress mr_heartbeat_lost mr_heartbeat_left_ms \
               mr_slots_stopping mr_slots_idle mr_kind_convert mr_kind_probe mr_kind_insert_records \
               mr_unit_claim mr_unit_heartbeat mr_unit_finish mr_unit_level mr_unit_release mr_unit_fail mr_units_give_up \
               mr_media_job_run mr_output_set_new mr_output_set_free mr_output_set_finish mr_output_set_check \
               mr_output_set_commit mr_output_set_drop mr_output_set_outputs mr_unit_reader_finish
$(BUILD)/model: $(call obj,$(model_src)) $(BUILD)/libunits.a $(BUILD)/libmediarun.a
	$(LINK) $(QUICK_LINKER) -Wl,--as-needed $(MODEL_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(LIBS) $(AV_LIBS)
# tests/warm/start.sh
warm: build/warm/server.so build/warm/client
build/warm/server.so: tests/warm/server.c tests/warm/warm.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_all) $(CFLAGS_all) -O2 -fPIC -shared -o $@ $<
build/warm/client: tests/warm/client.c tests/warm/warm.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_all) $(CFLAGS_all) -O2 -o $@ $<

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/libunits.a $(BUILD)/libmediarun.a
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(LIBS) $(AV_LIBS)

# The only file that is compiled with the version.
$(BUILD)/obj/shared/base/version.o: CPPFLAGS += -DMR_VERSION='"$(file <VERSION)"'
$(BUILD)/obj/shared/base/version.o: VERSION

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

PREFIX  ?= /usr/local
BIN_DIR := $(DESTDIR)$(PREFIX)/bin
MAN_DIR := $(DESTDIR)$(PREFIX)/share/man/man1
install: $(BUILD)/mediarun
	install -d $(BIN_DIR) $(MAN_DIR)
	install -m 755 $(BUILD)/mediarun $(BIN_DIR)/mediarun
	install -m 644 client/mediarun.1 $(MAN_DIR)/mediarun.1

# What people call.
run:
	infra/local/run.sh
test:
	tests/run.sh
unit: $(if $(T),$(T:%=$(BUILD)/unit/%),$(UNIT_TESTS))
	tests/unit/run.sh $(BUILD)/unit $(T)
model: $(BUILD)/model
	tests/model/run.sh
e2e: programs
	VARIANT=$(VARIANT) /usr/bin/python3 -B -m pytest -q -rs $(if $(K),-k '$(K)') tests/e2e
FORMATTED = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
format:
	clang-format -i $(FORMATTED)
format-check:
	clang-format --dry-run -Werror $(FORMATTED)
# gcc builds what runs, clang the fuzzers: both know warnings that the other does not.
clang-check: CC := clang
clang-check:
	@printf '%s\n' $(shared_src) $(web_src) $(worker_src) $(emulator_src) $(client_src) $(fuzz_src) | \
	    xargs -n 8 -P $(shell nproc) $(COMPILE) -DMR_VERSION='""' -fsyntax-only
lint:
	tests/lint/run.sh
# Rewrites the tables in documents that are printed from tables in the code.
# Pictures of the page's screens, in build/screenshots.
screenshots: programs
	/usr/bin/python3 -B -m pytest -q -n 0 tests/e2e/test_screens.py --screenshots
tables:
	/usr/bin/python3 -B tests/lint/tables.py --write
bench:
	tests/bench/run.sh
# For editors: how each source is compiled in this VARIANT.
sources = $(shared_src) $(web_src) $(worker_src) $(emulator_src) $(client_src) $(unit_helpers) $(unit_src) $(model_src) $(bench_src) $(fuzz_src)
compile_commands.json:
	$(file >$@,[)
	$(foreach source,$(sources),$(file >>$@,$(if $(filter-out $(firstword $(sources)),$(source)),$(comma)){"directory": "$(CURDIR)", "file": "$(source)", "command": "$(COMPILE)$(if $(filter %/version.c,$(source)), -DMR_VERSION='\"$(file <VERSION)\"') -c $(source)"}))
	$(file >>$@,])
	@echo "$@: $(words $(sources)) files"
clean:
	rm -rf build
