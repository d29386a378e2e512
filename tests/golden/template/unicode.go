// Writes src/template/unicode_table.inc: what Go's package unicode knows of letters, digits, printable characters and lower
// case, as ranges. Run by hand when the Go version that we follow takes up a newer Unicode:
//
//	go run tests/golden/template/unicode.go > src/template/unicode_table.inc
package main

import (
	"fmt"
	"unicode"
)

func ranges(name, what string, in func(rune) bool) {
	fmt.Printf("\n/* %s */\nstatic const struct rune_range %s[] = {\n", what, name)
	start := rune(-1)
	for r := rune(0x80); r <= unicode.MaxRune+1; r++ {
		is := r <= unicode.MaxRune && in(r)
		if is && start < 0 {
			start = r
		}
		if !is && start >= 0 {
			fmt.Printf("\t{ 0x%x, 0x%x },\n", start, r-1)
			start = -1
		}
	}
	fmt.Println("};")
}

func main() {
	fmt.Println("/* Made by tests/golden/template/unicode.go from Unicode " + unicode.Version + "; do not edit. ASCII is left out. */")
	ranges("alphanumeric_ranges", "letters (L) and decimal digits (Nd)", func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
	ranges("printable_ranges", "letters, marks, numbers, punctuation, symbols", unicode.IsPrint)
	fmt.Print("\n/* Every step-th character from first to last becomes itself + delta in lower case. */\nstatic const struct lower_range lower_ranges[] = {\n")
	type span struct{ first, last, step, delta rune }
	var spans []span
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		delta := unicode.ToLower(r) - r
		if delta == 0 {
			continue
		}
		if n := len(spans); n > 0 {
			s := &spans[n-1]
			gap := r - s.last
			if s.delta == delta && (s.step == gap || s.first == s.last && gap <= 2) {
				s.step, s.last = gap, r
				continue
			}
		}
		spans = append(spans, span{r, r, 1, delta})
	}
	for _, s := range spans {
		fmt.Printf("\t{ 0x%x, 0x%x, %d, %d },\n", s.first, s.last, s.step, s.delta)
	}
	fmt.Println("};")
}
