// Package spelling tells how near two words are, so that who slipped hears what could
// have been meant.
package spelling

// MaxSlips is how many letters may differ in a word that could have been meant.
const MaxSlips = 2

// Nearest is the first of those that are least far from a word, "" when none could have
// been meant.
func Nearest(word string, known []string) string {
	best, least := "", MaxSlips+1
	for _, k := range known {
		if d := Distance(word, k); d < least && d < len(word) {
			best, least = k, d
		}
	}
	return best
}

// Distance is how many bytes have to be put in, taken out or changed to make b of a (Levenshtein).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := above
			if a[i] != b[j] {
				cost++
			}
			above = row[j+1]
			row[j+1] = min(cost, above+1, row[j]+1)
		}
	}
	return row[len(b)]
}
