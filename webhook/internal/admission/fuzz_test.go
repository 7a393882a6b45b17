package admission

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// FuzzHandler sends any body. Whatever it is, the webhook must not panic, must
// not deny, and must answer JSON with a patch that is JSON.
func FuzzHandler(f *testing.F) {
	whole := creation(f, asking(contract.Events, "cpu,wall", contract.CPULimit, "1", contract.Containers, "app"))
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(creation(f, podJSON(map[string]string{contract.Enabled: "yes"})))
	f.Add(creation(f, asking(), set("operation", "UPDATE")))
	f.Add(creation(f, nil))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"1","object":{}}}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"Pod"}`))
	f.Add([]byte("null"))
	fixture := newFixture(f)
	handler := fixture.server.Config.Handler
	f.Fuzz(func(t *testing.T, body []byte) {
		request := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(string(body)))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)

		if recorder.Code >= http.StatusBadRequest && recorder.Code < http.StatusInternalServerError {
			return // refused: for an API server that is a failed call
		}
		var sent, answered admissionv1.AdmissionReview
		if err := json.Unmarshal(recorder.Body.Bytes(), &answered); err != nil || answered.Response == nil {
			t.Fatalf("status %d, %v: %s", recorder.Code, err, recorder.Body)
		}
		answer := answered.Response
		understood := json.Unmarshal(body, &sent) == nil && sent.Request != nil && sent.Request.UID != ""
		if understood && answer.UID == sent.Request.UID && !answer.Allowed {
			t.Errorf("denied: %s", recorder.Body)
		}
		if answer.Patch != nil && (!answer.Allowed || !json.Valid(answer.Patch)) {
			t.Errorf("allowed %v with patch %s", answer.Allowed, answer.Patch)
		}
	})
}
