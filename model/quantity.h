/*
 * quantity: Kubernetes resource quantities ("250m", "1.5Gi", "12e6").
 *
 * Source: apimachinery pkg/api/resource. Held as whole nano-units in 128 bits; what does not fit is refused, sums and
 * products say when they would. Any thread.
 */
#ifndef SLOTDECK_MODEL_QUANTITY_H
#define SLOTDECK_MODEL_QUANTITY_H

#include <stdint.h>

#include "base/str.h"

struct quantity {
	__int128 nano;
};

/* Suffixes n u m (none) k M G T P E, Ki Mi Gi Ti Pi Ei, exponents e3 E-3. Finer than a nano-unit is rounded up, away from zero. */
bool quantity_parse(struct str text, struct quantity *ret);
/* Below, equal, above zero like strcmp. */
int quantity_cmp(struct quantity a, struct quantity b);
/* False on overflow, ret untouched. */
bool quantity_add(struct quantity a, struct quantity b, struct quantity *ret);
/* Rounded up; saturating. For CPU: thousandths of a core; for memory: bytes. */
int64_t quantity_milli(struct quantity q);
int64_t quantity_whole(struct quantity q);

#endif
