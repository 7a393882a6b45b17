package inject

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podflame/podflame/sidecar/contract"
)

const (
	maxValue   = 1024 // bytes of an annotation's value that is looked at; a longer one is not valid
	maxQuoted  = 64   // bytes of a value that a detail quotes
	maxName    = 128  // bytes of a service's name or version
	maxNamed   = 64   // containers that profiling.io/containers may name
	maxUserID  = 1<<31 - 1
	minimumCPU = "5m"
	// With a lower request the scheduler would be misled, with a lower limit a
	// recording could not be read, and with a much lower one not even the
	// container could start.
	minimumMemRequest = "32Mi"
	minimumMemLimit   = "160Mi"
)

// annotations are the user's wishes for one pod, each either valid or absent,
// and the warnings about those that were not.
type annotations struct {
	containers []string // nil: all
	service    string
	version    string
	settings   contract.Settings
	user       *user // of the JVM
	native     *bool
	// metricsPort is 0 where none is asked for.
	metricsPort int32
	// signalLaunchers allows a signal to JVMs of other launchers than java.
	signalLaunchers bool
	resources       map[string]*resource.Quantity // by annotation
	warnings        []Finding
	leftOut         []string // containers that cannot be profiled, found later
}

type user struct {
	uid int64
	gid *int64 // nil if the annotation does not say
}

func (a *annotations) warn(reason Reason, detail string) {
	a.warnings = append(a.warnings, finding(reason, detail))
}

// readAnnotations reads what the namespace says for all of its pods, and then
// what the pod says. It never fails: a value that is not valid leaves the
// default and a warning.
func readAnnotations(pod *corev1.Pod, ns *Namespace, cfg Config) *annotations {
	a := &annotations{settings: cfg.Settings, resources: map[string]*resource.Quantity{}}
	a.settings.Events = slices.Clone(cfg.Settings.Events)
	if ns != nil {
		if _, set := ns.Annotations[contract.Enabled]; set {
			a.warn(AnnotationOnNamespace, "namespace "+ns.Name)
		}
		a.readAll(ns.Annotations, "namespace "+ns.Name+", ")
	}
	a.readAll(pod.Annotations, "")
	return a
}

// readAll reads the annotations of one object; where begins the detail of a
// warning.
func (a *annotations) readAll(values map[string]string, where string) {
	for _, key := range sortedKeys(values) {
		name, ours := strings.CutPrefix(key, contract.Prefix)
		if !ours || key == contract.Enabled || key == contract.Status {
			continue
		}
		read, known := readers[key]
		if !known {
			a.warn(UnknownAnnotation, where+contract.Prefix+printable(name, maxQuoted))
			continue
		}
		if err := checkedRead(read, a, key, values[key]); err != nil {
			a.warn(InvalidAnnotation, where+key+": "+err.Error())
		}
	}
}

func checkedRead(read reader, a *annotations, key, value string) error {
	if len(value) > maxValue {
		return fmt.Errorf("%d bytes are more than %d", len(value), maxValue)
	}
	return read(a, key, value)
}

// reader stores a valid value in a, or says what is wrong with it.
type reader func(a *annotations, key, value string) error

var readers = map[string]reader{
	contract.Containers:      readContainers,
	contract.Service:         func(a *annotations, _, v string) error { return readName(&a.service, v) },
	contract.Version:         func(a *annotations, _, v string) error { return readName(&a.version, v) },
	contract.Events:          readWith(contract.ParseEvents, func(a *annotations, v []string) { a.settings.Events = v }),
	contract.Window:          readSetting(contract.ParseWindow, func(s *contract.Settings) *time.Duration { return &s.Window }),
	contract.CPUInterval:     readInterval("cpu", contract.ParseCPUInterval, func(s *contract.Settings) *time.Duration { return &s.CPUInterval }),
	contract.LockThreshold:   readInterval("lock", contract.ParseLockThreshold, func(s *contract.Settings) *time.Duration { return &s.LockThreshold }),
	contract.AllocInterval:   readInterval("alloc", contract.ParseAllocInterval, func(s *contract.Settings) *int64 { return &s.AllocInterval }),
	contract.SampleRate:      readSetting(contract.ParseSampleRate, func(s *contract.Settings) *int { return &s.SampleRate }),
	contract.Threads:         readSetting(contract.ParseThreads, func(s *contract.Settings) *bool { return &s.Threads }),
	contract.Capture:         readWith(contract.ParseCapture, func(*annotations, contract.CaptureRequest) {}), // the sidecar's affair
	contract.RunAsUser:       readUser,
	contract.NativeSidecar:   readNative,
	contract.MetricsPort:     readPort,
	contract.SignalLaunchers: readSignalLaunchers,
	contract.CPURequest:      readQuantity(minimumCPU),
	contract.CPULimit:        readQuantity(minimumCPU),
	contract.MemoryRequest:   readQuantity(minimumMemRequest),
	contract.MemoryLimit:     readQuantity(minimumMemLimit),
}

func readWith[T any](parse func(string) (T, error), store func(*annotations, T)) reader {
	return func(a *annotations, _, value string) error {
		parsed, err := parse(value)
		if err != nil {
			return err
		}
		store(a, parsed)
		return nil
	}
}

func readSetting[T any](parse func(string) (T, error), field func(*contract.Settings) *T) reader {
	return readWith(parse, func(a *annotations, v T) { *field(&a.settings) = v })
}

// readInterval reads an interval, which stays as it is asked for.
func readInterval[T any](event string, parse func(string) (T, error), field func(*contract.Settings) *T) reader {
	return readWith(parse, func(a *annotations, v T) {
		*field(&a.settings) = v
		a.settings.Fix(event)
	})
}

func readContainers(a *annotations, _, value string) error {
	names := strings.Split(value, ",")
	if len(names) > maxNamed {
		return fmt.Errorf("%d names are more than %d", len(names), maxNamed)
	}
	var containers []string
	for _, name := range names {
		if name = strings.TrimSpace(name); name == "" {
			return errors.New("a container's name is empty")
		}
		if !slices.Contains(containers, name) {
			containers = append(containers, name)
		}
	}
	a.containers = containers
	return nil
}

// nameSyntax keeps out what would need quoting somewhere, and "$", which
// Kubernetes expands in environment variables.
var nameSyntax = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/:@+-]*[A-Za-z0-9])?$`)

func readName(field *string, value string) error {
	if len(value) > maxName || !nameSyntax.MatchString(value) {
		return fmt.Errorf("%q is not 1 to %d letters, digits and . _ / : @ + - between them", printable(value, maxQuoted), maxName)
	}
	*field = value
	return nil
}

func readUser(a *annotations, _, value string) error {
	uidText, gidText, both := strings.Cut(value, ":")
	uid, err := readID(uidText)
	if err != nil {
		return err
	}
	u := user{uid: uid}
	if both {
		gid, err := readID(gidText)
		if err != nil {
			return err
		}
		u.gid = &gid
	}
	a.user = &u
	return nil
}

func readID(text string) (int64, error) {
	id, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number from 0 to %d; write UID or UID:GID", printable(text, maxQuoted), maxUserID)
	}
	return int64(id), nil
}

func readNative(a *annotations, _, value string) error {
	if value != "true" && value != "false" {
		return fmt.Errorf("%q is neither \"true\" nor \"false\"", printable(value, maxQuoted))
	}
	native := value == "true"
	a.native = &native
	return nil
}

func readSignalLaunchers(a *annotations, _, value string) error {
	if value != "true" && value != "false" {
		return fmt.Errorf("%q is neither \"true\" nor \"false\"", printable(value, maxQuoted))
	}
	a.signalLaunchers = value == "true"
	return nil
}

func readPort(a *annotations, _, value string) error {
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil || port < minPort {
		return fmt.Errorf("%q is not a port from %d to 65535", printable(value, maxQuoted), minPort)
	}
	a.metricsPort = int32(port)
	return nil
}

// minPort is the first that needs no capability.
const minPort = 1024

func readQuantity(minimum string) reader {
	least := resource.MustParse(minimum)
	return func(a *annotations, key, value string) error {
		q, err := resource.ParseQuantity(value)
		if err != nil {
			return fmt.Errorf("%q is not a quantity such as 100m or 256Mi", printable(value, maxQuoted))
		}
		if q.Cmp(least) < 0 {
			return fmt.Errorf("%s is below %s", printable(value, maxQuoted), minimum)
		}
		a.resources[key] = &q
		return nil
	}
}
