package changes

// estimate is a share and how uncertain it is.
type estimate struct {
	share    float64
	variance float64 // of the share, over the blocks
	freedom  float64 // degrees of the variance
}

// leastPods is how many groups of pods it takes to say that pods differ.
const leastPods = 4

// estimateOf is the ratio estimator: the sum over the sum, with the variance of
// what is left of each block when the share is taken out. Persistence is what
// neighbours in time share, see persistence.
func (s *Side) estimateOf(m measured, persistence float64) estimate {
	whole := s.whole()
	if whole == 0 {
		return estimate{}
	}
	share, residuals := s.residuals(m, whole)
	fewer := repeated(persistence)
	n := float64(len(residuals))
	var squares float64
	for _, r := range residuals {
		squares += r * r
	}
	variance := max(n/(n-1)*squares*fewer, s.overPods(residuals))
	return estimate{share: share, variance: variance / (whole * whole), freedom: max((n-1)/fewer, 1)}
}

// repeated is how many neighbours that share persistence are as good as one
// independent block.
func repeated(persistence float64) float64 { return (1 + persistence) / (1 - persistence) }

// witnesses is how many independent blocks those of the side are worth.
func (s *Side) witnesses(persistence float64) float64 {
	return float64(len(s.blocks)) / repeated(persistence)
}

func (s *Side) whole() (sum float64) {
	for _, b := range s.blocks {
		sum += float64(b.Value)
	}
	return sum
}

func (s *Side) residuals(m measured, whole float64) (share float64, residuals []float64) {
	residuals = make([]float64, len(s.blocks))
	copy(residuals, s.shares[m])
	var sum float64
	for _, v := range residuals {
		sum += v
	}
	share = sum / whole
	for i, b := range s.blocks {
		residuals[i] -= share * float64(b.Value)
	}
	return share, residuals
}

// persistence is the correlation of blocks with the next one of the same pods,
// over all functions: one function alone has too few blocks to tell. It corrects
// for the lengths of the series, which make it look smaller (Kendall, Biometrika
// 41, 1954).
func (s *Side) persistence() float64 {
	var together, squares, pairs float64
	for i := 1; i < len(s.blocks); i++ {
		if s.blocks[i].group == s.blocks[i-1].group {
			pairs++
		}
	}
	whole := s.whole()
	if pairs == 0 || whole == 0 {
		return 0
	}
	for m := range s.shares {
		_, residuals := s.residuals(m, whole)
		for i, r := range residuals {
			squares += r * r
			if i > 0 && s.blocks[i].group == s.blocks[i-1].group {
				together += r * residuals[i-1]
			}
		}
	}
	if squares == 0 {
		return 0
	}
	seen := together / squares * float64(len(s.blocks)) / pairs
	return min(max(seen+(1+4*max(seen, 0))/pairs, 0), mostPersistent)
}

// mostPersistent bounds what can be corrected for.
const mostPersistent = 0.9

// overPods is the variance of the sum if whole groups of pods are the witnesses.
func (s *Side) overPods(residuals []float64) float64 {
	sums := map[int]float64{}
	for i, r := range residuals {
		sums[s.blocks[i].group] += r
	}
	n := float64(len(sums))
	if n < leastPods {
		return 0
	}
	var squares float64
	for _, sum := range sums {
		squares += sum * sum
	}
	return n / (n - 1) * squares
}
