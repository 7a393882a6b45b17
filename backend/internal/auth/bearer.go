package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// maxTokenBytes bounds a token. Those of ServiceAccounts have about 1 KiB.
const maxTokenBytes = 16 << 10

// bearer returns the token of an Authorization header; empty if there is none.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", api.Errorf(profile.TokenMalformed, "there are %d Authorization headers, not one", len(values))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", api.Errorf(profile.TokenMalformed, "the Authorization header has the scheme %.20q, not Bearer", scheme)
	case token == "":
		return "", api.Errorf(profile.TokenMalformed, "the Authorization header holds no token")
	case len(token) > maxTokenBytes:
		return "", api.Exceeded(profile.TokenMalformed, "length of the token", int64(len(token)), maxTokenBytes)
	}
	return token, nil
}

// claims are what a token says of itself. They are believed only where they
// speak against it: what they say for it, the API server must say.
type claims struct {
	Audience audience   `json:"aud"`
	Expiry   jsonSecond `json:"exp"`
}

// readClaims reads the payload of a JSON Web Token, and no more of it.
func readClaims(token string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, fmt.Errorf("it has %d parts, a JSON Web Token has 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, fmt.Errorf("decode its payload: %w", err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return claims{}, errors.New("its payload is no JSON object with an audience and an expiry")
	}
	if c.Expiry <= 0 {
		return claims{}, errors.New("it has no expiry")
	}
	return c, nil
}

func (c claims) expires() time.Time { return time.Unix(int64(c.Expiry), 0) }

// audience is one string or a list of them.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// jsonSecond is a time in Unix seconds, which may have a fraction.
type jsonSecond int64

// UnmarshalJSON implements json.Unmarshaler.
func (s *jsonSecond) UnmarshalJSON(data []byte) error {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if math.Abs(f) > 1<<40 {
		return fmt.Errorf("time %v is out of range", f)
	}
	*s = jsonSecond(f)
	return nil
}
