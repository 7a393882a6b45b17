package profile

import (
	"fmt"
	"testing"
)

// Ids are in the store: another hash makes other frames of what is kept.
func TestIDsStayTheSame(t *testing.T) {
	run := FunctionID(Function{Name: "java.lang.Thread.run", Kind: Java})
	native := FunctionID(Function{Name: "java.lang.Thread.run", Kind: Native})
	for _, id := range []struct {
		of        string
		got, want uint64
	}{
		{"function", run, 0xfbc11922d9d9728b},
		{"function of another kind", native, 0x8e9177c42d20293e},
		{"stack", StackID([]uint64{run, native}), 0x62f11a4dcb57b99a},
		{"stack the other way round", StackID([]uint64{native, run}), 0x9ffa557914e04e52},
		{"empty stack", StackID(nil), 0x141cfc9842c4b0e3},
	} {
		if id.got != id.want {
			t.Errorf("the id of a %s is %#x, want %#x", id.of, id.got, id.want)
		}
	}
}

// BenchmarkIDs hashes what a window of 20,000 stacks has.
func BenchmarkIDs(b *testing.B) {
	functions := make([]Function, 10_000)
	for i := range functions {
		functions[i] = Function{Name: fmt.Sprintf("com.example.shop.module%02d.internal.ServiceImpl%03d.handleRequest%d", i%50, i%500, i)}
	}
	b.Run("function", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = FunctionID(functions[i%len(functions)])
		}
	})
	stack := make([]uint64, 60)
	for i := range stack {
		stack[i] = FunctionID(functions[i])
	}
	b.Run("stack of 60", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			stack[0] = uint64(i)
			_ = StackID(stack)
		}
	})
}
