/*
 * template: Go's text/template, as Go 1.25 parses, executes and prints it, error texts included.
 *
 * A template is parsed once and executed any number of times; both halves report errors in Go's own words, with
 * "template: NAME:LINE" (parsing) or "template: NAME:LINE:COLUMN" (execution, byte column from 0) in front. The hint of
 * the error shows the source line with a 1-based column. Parsed templates are read-only: many threads may execute one.
 */
#ifndef SLOTDECK_TEMPLATE_TEMPLATE_H
#define SLOTDECK_TEMPLATE_TEMPLATE_H

#include "base/error.h"
#include "base/str.h"
#include "template/value.h"

struct template;

/* What an absent map key gives: Option("missingkey=…") of Go. */
enum template_missing {
	TEMPLATE_MISSING_DEFAULT, /* no value: prints <no value> */
	TEMPLATE_MISSING_INVALID, /* the same */
	TEMPLATE_MISSING_ZERO,	  /* the zero value of the map's elements */
	TEMPLATE_MISSING_ERROR,	  /* stops the execution */
};

enum template_finding_kind {
	TEMPLATE_PRINTED_NO_VALUE, /* an action printed <no value> */
	TEMPLATE_PRINTED_MISTAKE,  /* an action printed %!…, the mark of a wrong printf */
};

/* Something that is allowed but hardly meant. All borrowed until the callback returns. */
struct template_finding {
	enum template_finding_kind kind;
	const char *name;      /* of the template text, as given to template_parse() */
	unsigned line, column; /* from 1, of the action */
	struct str source;     /* the action's source, without its braces */
	struct str printed;    /* what it printed */
};
typedef void template_lint_fn(const struct template_finding *finding, void *arg);

/*
 * Which bytes of the source made which bytes of the output, for those who look for the cause of a fault in the output:
 * called before each text and each action that runs, in the order of the output. Offsets count from the start of what
 * this execution writes and of the source. A literal text is copied byte by byte; what an action prints comes from its
 * action.
 */
typedef void template_trace_fn(size_t out, size_t source, bool literal, void *arg);

/* Where an error was, for those who make a finding of it; line 0 when unknown. Columns count from 1; 0: unknown. */
struct template_place {
	unsigned line, column;
};

struct template_limits {     /* 0: the default */
	size_t source_bytes; /* 8 MiB */
	size_t output_bytes; /* 16 MiB */
	size_t memory_bytes; /* for parsed nodes, and for values made while executing: 24 MiB each */
	uint64_t steps;	     /* actions run, rounds of loops, bytes worked on / 64: 10 million */
};

struct template_options { /* all zero: as codexctl */
	enum template_missing missing;
	/* Missing values are located errors: TEMPLATE_MISSING_ERROR, and an action that would print <no value> or %!
	 * fails. */
	bool strict;
	struct value env_map; /* what envOr looks into: map[string]string */
	struct value now;     /* what now gives: a time */
	template_lint_fn *lint;
	void *lint_arg;
	template_trace_fn *trace;
	void *trace_arg;
	struct template_place *ret_place; /* set when a call fails; may be NULL */
	struct template_limits limits;
};

/* Which names a template may call besides Go's own. */
enum template_functions {
	TEMPLATE_FUNCTIONS_PROJECT, /* default toLower slug truncSHA envOr ternary now join indent trimPrefix */
	TEMPLATE_FUNCTIONS_TOOL,    /* those and quote, for templates of our own */
	TEMPLATE_FUNCTIONS_GO,	    /* none but Go's */
};

/*
 * Parses text. name is copied; text is borrowed until template_destroy(). options may be NULL, only limits and
 * ret_place matter here. Fails with ERR_INVALID, or ERR_LIMIT for what is too large or too deep.
 */
bool template_parse(const char *name, struct str text, enum template_functions functions,
		    const struct template_options *options, struct template **ret, struct error *err);
void template_destroy(struct template *t);
DEFINE_AUTO(template);

/* Appends the output to out. When it fails, out is as before. options may be NULL. */
bool template_execute(const struct template *t, struct value root, const struct template_options *options,
		      struct buf *out, struct error *err);

/* Parses, executes and forgets. */
bool template_render(const char *name, struct str text, struct value root, const struct template_options *options,
		     struct buf *out, struct error *err);

#endif
