package query

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Every answer that is made from call trees says what is in stacks that had no
// room in them, and nothing of them if all had.
func TestAnswersTellOfStacksThatAreCut(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	function := firstFunction(merged(h.store.windows, profile.CPU))
	for _, path := range []string{
		"flame?" + selection + hour, "top?" + selection + hour, "diff?baseService=checkout&" + selection + hour,
		"callers?function=" + function + "&" + selection + hour, "fleet/top?type=cpu&" + hour,
		"changes?baseService=checkout&" + selection + hour,
	} {
		for _, cut := range []profile.Amount{{}, {Value: 70_000_000, Count: 7}} {
			h.store.cut = cut
			told := noticesIn(t, h.Get(t, "/api/v1/"+path).Body.Bytes(), profile.StacksCut)
			if cut == (profile.Amount{}) && len(told) > 0 {
				t.Errorf("%s: nothing is cut, and the answer tells of %+v", path, told)
			}
			if cut != (profile.Amount{}) && len(told) == 0 {
				t.Errorf("%s: the answer does not tell of stacks that are cut", path)
			}
			for _, l := range told { // of blocks there are several
				if l.Count%7 != 0 || l.Value != l.Count*10_000_000 || l.Outcome != "noticed" || !strings.Contains(l.Remedy, "--cache-bytes") {
					t.Errorf("%s: the answer tells of %+v", path, l)
				}
			}
		}
	}
}

func firstFunction(set profile.StackSet) string {
	return set.Functions[set.Stacks[0].Frames[0]].Name
}

// noticesIn are those of a reason in a JSON answer, of each of its sides.
func noticesIn(t *testing.T, body []byte, r profile.Reason) (found []api.Loss) {
	t.Helper()
	type covered struct{ Coverage api.Coverage }
	var answer struct {
		covered
		Base, Head covered
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("read %.200s: %v", body, err)
	}
	for _, side := range []covered{answer.covered, answer.Base, answer.Head} {
		for _, l := range side.Coverage.Notices {
			if l.Reason == r {
				found = append(found, l)
			}
		}
	}
	return found
}
