package inspect

import (
	"io"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/formats"
)

func (r *recording) writeCollapsed(out io.Writer, t profile.Type) error {
	return formats.Collapsed(out, r.set(t), func(s profile.Stack) int64 { return r.number(t, s) })
}
