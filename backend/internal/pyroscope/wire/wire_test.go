package wire

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

var update = flag.Bool("update", false, "write the messages of querier.proto anew")

// TestGenerated fails if the messages are not those of querier.proto.
func TestGenerated(t *testing.T) {
	const source, target = "querier.proto", "querier.pb.go"
	want := generate(t, source)
	if *update {
		if err := os.WriteFile(target, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what %s says: run make golden", target, source)
	}
}

// generate is what protoc with protoc-gen-go writes.
func generate(t *testing.T, source string) string {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}, SourceInfoMode: protocompile.SourceInfoStandard}
	files, err := compiler.Compile(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	request, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source}, Parameter: new("paths=source_relative"),
		ProtoFile: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(files[0])},
	})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "run", "google.golang.org/protobuf/cmd/protoc-gen-go")
	command.Stdin, command.Stderr = bytes.NewReader(request), t.Output()
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		t.Fatal(err)
	}
	if response.GetError() != "" || len(response.GetFile()) != 1 {
		t.Fatalf("protoc-gen-go wrote %d files: %s", len(response.GetFile()), response.GetError())
	}
	return response.GetFile()[0].GetContent()
}
