package profile

import (
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// The hand-written coder and window.proto must describe the same bytes: what
// Encode writes is read by a coder generated from the file without an unknown
// field, and what that coder writes is read by Decode.
func TestWireIsWhatTheProtoFileSays(t *testing.T) {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(t.Context(), "window.proto")
	if err != nil {
		t.Fatal(err)
	}
	descriptor := files[0].Messages().ByName("Window")
	rapid.Check(t, func(t *rapid.T) {
		w := genWindow(t)
		ours := appendWindow(nil, w)
		message := dynamicpb.NewMessage(descriptor)
		if err := proto.Unmarshal(ours, message); err != nil {
			t.Fatal(err)
		}
		if unknown := unknownBytes(message); unknown != 0 {
			t.Fatalf("%d bytes are not described by window.proto", unknown)
		}
		theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		d := decoder{limits: DefaultDecodeLimits(), whole: true}
		got, err := d.window(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if string(appendWindow(nil, got)) != string(ours) {
			t.Fatalf("%+v became %+v", w, got)
		}
	})
}

func unknownBytes(m *dynamicpb.Message) int {
	n := len(m.GetUnknown())
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				n += unknownBytes(v.List().Get(i).Message().Interface().(*dynamicpb.Message))
			}
		default:
			n += unknownBytes(v.Message().Interface().(*dynamicpb.Message))
		}
		return true
	})
	return n
}
