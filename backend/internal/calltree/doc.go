// Package calltree answers questions about call stacks on one tree.
//
// A Dictionary interns the stacks of a service: every stack id is a node, and
// stacks share the nodes of the frames that they begin with. It grows as stacks
// arrive and never changes what it holds, so readers need no lock while they
// compute. A Tree is the part of a dictionary that the sums of a query touch,
// with what was measured in it, for one or several sides that are compared. It
// has nodes in runs: amounts are put on branches and ends of stacks only, and
// what survives pruning is unfolded into a Graph. Flame graphs (Prune), tables
// (Top), sandwiches (Callers, Callees), filters and differences are passes over
// a Tree.
//
// No operation loses an amount: what a filter or a limit leaves out is
// returned beside the tree or is in a frame of kind omitted.
//
// The package does no I/O.
package calltree
