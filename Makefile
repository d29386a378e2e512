# slotdeck: `make run` opens the demo, `make test` runs every suite that needs no Go tool chain, `make help` lists the rest.

V ?= debug
B := build/$(V)
PREFIX ?= /usr/local
VERSION := 0.1.0
CC = gcc

# The one list of Debian packages: what the program links, what its tests run.
PACKAGES := build-essential pkg-config libncurses-dev libuv1-dev libcurl4-openssl-dev libjansson-dev libyaml-dev \
	libssl-dev libmicrohttpd-dev libcmocka-dev libvterm-dev python3 openssl nghttp2-proxy ncurses-term
# Unpacked below build/packages for the tests and not installed: what they bring would be started as a service.
PACKAGES_UNPACKED := docker-registry
PACKAGES_FUZZ := clang libclang-rt-14-dev
PACKAGES_CLUSTER := curl ca-certificates openssl util-linux

PKGS := ncursesw libuv libcurl jansson yaml-0.1 libcrypto libssl libmicrohttpd
SRC := $(shell find src model kube ui -name '*.c' | sort)
LIB_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out src/main.c,$(SRC))) $(B)/assets.o
ASSETS := $(shell find assets -type f 2>/dev/null | sort) $(wildcard services.yaml)
SUPPORT_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*_test.c))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_SECONDS ?= 20
FUZZ_CC ?= clang

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef $(if $(CI),-Werror)
FLAGS_debug := -O1 -g
FLAGS_release := -O2 -g -flto=auto -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 \
	-ffunction-sections -fdata-sections
LINK_release := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed
FLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan := -O1 -g -fsanitize=thread
FLAGS_fuzz := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined

CPPFLAGS += -D_GNU_SOURCE -DSLOTDECK_VERSION='"$(VERSION)"' -Isrc -I. -Itests/support
CFLAGS += -std=gnu17 $(WARN) $(FLAGS_$(V))
# --as-needed: a command pays only for the libraries that it uses.
# --exclude-libs: our own names must not take the place of those of a shared library (cmocka has a print_error, too).
LDFLAGS += -Wl,--as-needed -Wl,--exclude-libs,libslotdeck.a $(LINK_$(V))
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
LIBS = $(eval LIBS := $$(shell pkg-config --libs $(PKGS)) -lm -pthread)$(LIBS)
# Libraries that are loaded with their first call (base/lazy.h); LAZY= links them as usual.
LAZY ?= $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),curl ssl crypto microhttpd)
LAZY_OBJ := $(if $(LAZY),$(B)/lazy-stubs.o)
TEST_LIBS = $(eval TEST_LIBS := $$(shell pkg-config --libs cmocka vterm) -lutil)$(TEST_LIBS)

.DEFAULT_GOAL := all
.PHONY: all golden deps deps-fuzz run test unit fuzz fuzz-run test-cluster test-threads install dist bench soak pictures check-layers check-headers \
	clean help

all: $(B)/slotdeck ## build the program (V=debug, release, asan or tsan)

deps: ## install the Debian packages that are missing
	@missing=""; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; \
		sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
		$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing; fi

deps-fuzz:
	@$(MAKE) --no-print-directory deps PACKAGES="$(PACKAGES_FUZZ)"

run: deps ## build optimised and open the demo
	@$(MAKE) --no-print-directory V=release all
	build/release/slotdeck --demo

test: deps ## run every suite that needs no Go tool chain
	@$(MAKE) --no-print-directory unit

unit: $(B)/slotdeck $(UNIT) $(if $(filter fuzz,$(V)),,$(FUZZ:%=$(B)/tests/fuzz/%_fuzz_test)) | $(PACKAGES_UNPACKED:%=build/packages/%)
	@tests/run $(B) "$(T)"

build/packages/%:
	@tests/unpack-package $* $@

golden: $(B)/tests/unit/ui_test ## write the screens below tests/screen/golden anew; review the diff like code
	UPDATE_GOLDEN=1 $(B)/tests/unit/ui_test

$(B)/slotdeck: $(B)/src/main.o $(LAZY_OBJ) $(B)/libslotdeck.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(filter-out $(LAZY:%=-l%),$(LIBS))

$(B)/lazy-stubs.c: $(B)/libslotdeck.a src/base/lazy-stubs
	@src/base/lazy-stubs "$(CC)" $< $(LAZY) > $@

$(B)/lazy-stubs.o $(B)/src/base/lazy.o: CFLAGS += -fno-lto
$(B)/lazy-stubs.o: $(B)/lazy-stubs.c
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(B)/libslotdeck.a: $(LIB_OBJ)
	@rm -f $@
	@$(if $(findstring flto,$(CFLAGS)),gcc-ar,ar) rcs $@ $^

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(SUPPORT_OBJ) $(B)/libslotdeck.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(SUPPORT_OBJ) $(B)/libslotdeck.a $(LIBS) $(TEST_LIBS)

# The same target twice: over its corpus as a test, and by libFuzzer (V=fuzz).
$(B)/tests/fuzz/%_fuzz_test: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/driver/main.o $(SUPPORT_OBJ) $(B)/libslotdeck.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/tests/fuzz/driver/main.o $(SUPPORT_OBJ) $(B)/libslotdeck.a $(LIBS) $(TEST_LIBS)

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(SUPPORT_OBJ) $(B)/libslotdeck.a
	$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $< $(SUPPORT_OBJ) $(B)/libslotdeck.a $(LIBS) $(TEST_LIBS)

fuzz: deps-fuzz ## run every fuzz target for FUZZ_SECONDS (20), or just T=NAME
	@$(MAKE) --no-print-directory V=fuzz CC="$(FUZZ_CC)" CI= fuzz-run

fuzz-run: $(if $(T),$(T:%=$(B)/tests/fuzz/%),$(FUZZ:%=$(B)/tests/fuzz/%))
	@passed=0; failed=0; for target in $^; do name=$${target##*/}; \
		mkdir -p $(B)/corpus/$$name tests/fuzz/corpus/$$name; \
		if $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=$(B)/$$name- $(B)/corpus/$$name tests/fuzz/corpus/$$name > $(B)/fuzz-$$name.log 2>&1; \
		then passed=$$((passed+1)); echo "ok   fuzz $$name ($$(sed -n 's/stat::number_of_executed_units: *//p' $(B)/fuzz-$$name.log) inputs)"; \
		else failed=$$((failed+1)); echo "--- fuzz $$name failed"; tail -n 40 $(B)/fuzz-$$name.log; fi; done; \
	echo "$$passed passed, $$failed failed"; [ $$failed = 0 ]

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# Every file below assets/ is in the binary: asset_find() of base/asset.h looks it up in this table.
$(B)/assets.S: $(ASSETS) Makefile
	@mkdir -p $(@D)
	@{ echo '.section .rodata'; i=0; for f in $(ASSETS); do \
		printf 'n%d: .asciz "%s"\n.balign 16\nd%d: .incbin "%s"\ne%d: .byte 0\n' $$i $${f#assets/} $$i $$f $$i; i=$$((i+1)); done; \
		echo '.section .data.rel.ro,"aw"'; echo '.balign 8'; echo '.globl asset_table'; echo 'asset_table:'; \
		j=0; while [ $$j -lt $$i ]; do echo ".quad n$$j, d$$j, e$$j - d$$j"; j=$$((j+1)); done; echo '.quad 0, 0, 0'; \
		echo '.section .note.GNU-stack,"",@progbits'; } > $@

$(B)/assets.o: $(B)/assets.S
	@$(CC) -c $< -o $@

test-cluster: $(B)/slotdeck ## the cluster suite on a real API server (needs Go; builds the testbed once)
	@$(MAKE) --no-print-directory deps PACKAGES="$(PACKAGES_CLUSTER)"
	@SLOTDECK_BIN=$(CURDIR)/$(B)/slotdeck tests/cluster/run '$(T)'

test-threads: ## the suites of what runs on several threads, under ThreadSanitizer
	@TEST_TIMEOUT=600 $(MAKE) --no-print-directory V=tsan unit T='http\|ground\|kube\|job\|live\|sim_\|process\|ui_\|registry\|mirror'

install: ## install below PREFIX (/usr/local), DESTDIR in front: program, man page, completions
	@$(MAKE) --no-print-directory V=release all
	install -D -m 755 build/release/slotdeck $(DESTDIR)$(PREFIX)/bin/slotdeck
	@for d in share/man/man1 share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d; do \
		install -d $(DESTDIR)$(PREFIX)/$$d; done
	build/release/slotdeck man > $(DESTDIR)$(PREFIX)/share/man/man1/slotdeck.1
	build/release/slotdeck completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/slotdeck
	build/release/slotdeck completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_slotdeck
	build/release/slotdeck completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/slotdeck.fish

dist: ## make build/slotdeck-VERSION.tar.gz of what is committed
	@mkdir -p build
	git archive --format=tar.gz --prefix=slotdeck-$(VERSION)/ -o build/slotdeck-$(VERSION).tar.gz HEAD
	@echo build/slotdeck-$(VERSION).tar.gz

bench: deps ## measure side by side with what a user would run instead, as ratios; about 20 minutes
	@$(MAKE) --no-print-directory V=release all
	@status=0; tests/bench/run || status=1; tests/bench/dashboard || status=1; tests/bench/logs || status=1; tests/bench/faults || status=1; exit $$status

soak: deps ## run the demo under random keys and apply again and again for SOAK_MINUTES (10); fails on crash, growth, leaks
	@$(MAKE) --no-print-directory V=release all
	@tests/bench/soak

pictures: ## make the README's picture from the real program
	@$(MAKE) --no-print-directory V=release all
	build/release/slotdeck --demo --dump svg --size 110x30 > docs/screen.svg

check-layers: ## prove that includes point down only
	@tests/check-layers

check-headers: ## prove that every header compiles alone
	@tests/check-headers "$(CC)" $(CPPFLAGS) $(PKG_CFLAGS)

clean: ## remove what was built
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

.SECONDARY:

-include $(LIB_OBJ:.o=.d) $(UNIT:=.d) $(FUZZ:%=$(B)/tests/fuzz/%.d) $(SUPPORT_OBJ:.o=.d) $(B)/src/main.d
