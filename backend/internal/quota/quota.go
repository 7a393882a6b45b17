// Package quota counts what is in progress, by whose it is, and what answers take, and
// lets nobody have more than a limit: one that asks for everything leaves the others
// their part.
package quota

import "sync"

// Quota counts by key. It is safe for concurrent use.
type Quota[Key comparable] struct {
	limit int

	mu sync.Mutex
	of map[Key]int // only those that have some
}

// New returns a quota that gives each key so many at a time.
func New[Key comparable](limit int) *Quota[Key] {
	return &Quota[Key]{limit: limit, of: map[Key]int{}}
}

// Limit is how many a key may have at a time.
func (q *Quota[Key]) Limit() int { return q.limit }

// Enter counts one more of a key. It returns false, and counts nothing, if the key
// has as many as it may have.
func (q *Quota[Key]) Enter(key Key) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of[key] >= q.limit {
		return false
	}
	q.of[key]++
	return true
}

// Leave counts one less of a key that has entered.
func (q *Quota[Key]) Leave(key Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of[key]--; q.of[key] == 0 {
		delete(q.of, key)
	}
}

// Keys is the number of keys that have some.
func (q *Quota[Key]) Keys() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.of)
}
