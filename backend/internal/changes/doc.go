// Package changes says which functions take another share of a profile than
// they did before, and how sure that is.
//
// Samples of one process within one minute are no independent witnesses: a
// burst of one kind of request moves many of them at once, and pods differ. So
// the two sides are cut into blocks, some pods for some time each, and a share
// is as uncertain as it varies over the blocks, at least as uncertain as the
// number of samples alone makes it (a ratio estimator with clusters, see
// Cochran, Sampling Techniques, 3rd ed., ch. 6 and 9). Neighbours in time that
// move together count as fewer witnesses, and so do pods that differ. Where they are
// worth too few to show any change, a comparison without a change says nothing.
//
// Every function is tested for its own share and its share with all it calls.
// The level holds for the whole comparison (Holm, Scand. J. Statist. 6, 1979):
// two sides that do not differ give a false alarm in at most Level of all
// comparisons, however many functions they have.
package changes
