package host

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// framesDir holds frames that the Rust side wrote, each as `<case>.arrow` (the bytes of one
// frame as they go to Grafana) beside `<case>.json` (what it wrote, as described below).
// HEADWATER_FRAMES names another directory, for frames made at random by a run of their own.
var framesDir = filepath.Join("..", "frames")

// frameDescription is the JSON beside an Arrow file.
type frameDescription struct {
	Name   string             `json:"name"`
	RefID  string             `json:"refId"`
	Fields []fieldDescription `json:"fields"`
	// Meta is the frame's meta as the writer meant it; absent for none.
	Meta json.RawMessage `json:"meta"`
}

// fieldDescription describes one column.
//
// Type is the Go SDK's name for it: `time`, `float64`, `string`, `int8`, `bool`, …, with a
// `*` before it where the column is nullable.
//
// A value is: for time, a whole number of nanoseconds since the epoch, as text; for a float,
// a number, or as text `NaN`, `+Inf`, `-Inf`, `-0`, or `0x` and the sixteen hexadecimal
// digits of its bits, where those matter; for an integer of 64 bits, text; otherwise the
// JSON of its type. Null stands for null.
type fieldDescription struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
	Config json.RawMessage   `json:"config"`
	Values []json.RawMessage `json:"values"`
}

func TestFramesReadBackAsTheyWereWritten(t *testing.T) {
	dir := framesDir
	if named := os.Getenv("HEADWATER_FRAMES"); named != "" {
		dir = named
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("SKIPPED: no frames in %s", dir)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			encoded, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			described, err := os.ReadFile(strings.TrimSuffix(file, ".arrow") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			for _, difference := range compareFrame(encoded, described) {
				t.Error(difference)
			}
		})
	}
}

// compareFrame decodes a frame as Grafana does and lists how it differs from its description.
func compareFrame(encoded, described []byte) (differences []string) {
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	var want frameDescription
	if err := json.Unmarshal(described, &want); err != nil {
		return []string{fmt.Sprintf("the description is no JSON: %v", err)}
	}
	frame, err := data.UnmarshalArrowFrame(encoded)
	if err != nil {
		return []string{fmt.Sprintf("Grafana cannot read the frame: %v", err)}
	}
	if frame.Name != want.Name {
		differ("name %q, want %q", frame.Name, want.Name)
	}
	if frame.RefID != want.RefID {
		differ("refId %q, want %q", frame.RefID, want.RefID)
	}
	var meta *data.FrameMeta
	if len(want.Meta) > 0 {
		if err := json.Unmarshal(want.Meta, &meta); err != nil {
			differ("the described meta is none of Grafana's: %v", err)
		}
	}
	if !reflect.DeepEqual(frame.Meta, meta) {
		differ("meta %s, want %s", asJSON(frame.Meta), asJSON(meta))
	}
	if len(frame.Fields) != len(want.Fields) {
		differ("%d fields, want %d", len(frame.Fields), len(want.Fields))
		return differences
	}
	for i, field := range frame.Fields {
		differences = append(differences, compareField(i, field, want.Fields[i])...)
	}
	return differences
}

func compareField(i int, field *data.Field, want fieldDescription) (differences []string) {
	differ := func(format string, args ...any) {
		differences = append(differences, fmt.Sprintf("field %d: ", i)+fmt.Sprintf(format, args...))
	}
	if field.Name != want.Name {
		differ("name %q, want %q", field.Name, want.Name)
	}
	if got := typeName(field.Type()); got != want.Type {
		differ("type %s, want %s", got, want.Type)
		return differences
	}
	if len(field.Labels)+len(want.Labels) > 0 && !reflect.DeepEqual(map[string]string(field.Labels), want.Labels) {
		differ("labels %v, want %v", field.Labels, want.Labels)
	}
	var config *data.FieldConfig
	if len(want.Config) > 0 {
		if err := json.Unmarshal(want.Config, &config); err != nil {
			differ("the described config is none of Grafana's: %v", err)
		}
	}
	if !reflect.DeepEqual(field.Config, config) {
		differ("config %s, want %s", asJSON(field.Config), asJSON(config))
	}
	if field.Len() != len(want.Values) {
		differ("%d values, want %d", field.Len(), len(want.Values))
		return differences
	}
	for row, described := range want.Values {
		if !sameValue(field, row, described) {
			value, _ := field.ConcreteAt(row)
			differ("row %d is %v (null: %t), want %s", row, value, field.NilAt(row), described)
			return differences
		}
	}
	return differences
}

func asJSON(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

// typeName is the Go SDK's name without its brackets and package: `*float64`, `time`.
func typeName(kind data.FieldType) string {
	name := strings.TrimPrefix(kind.ItemTypeString(), "[]")
	return strings.ReplaceAll(name, "time.Time", "time")
}

func sameValue(field *data.Field, row int, described json.RawMessage) bool {
	if string(described) == "null" {
		return field.NilAt(row)
	}
	if field.NilAt(row) {
		return false
	}
	value, ok := field.ConcreteAt(row)
	if !ok {
		return false
	}
	var text string
	isText := json.Unmarshal(described, &text) == nil
	switch got := value.(type) {
	case time.Time:
		return isText && strconv.FormatInt(got.UnixNano(), 10) == text
	case float64:
		return sameFloat(got, described, text)
	case float32:
		return sameFloat(float64(got), described, text)
	case int64:
		return isText && strconv.FormatInt(got, 10) == text
	case uint64:
		return isText && strconv.FormatUint(got, 10) == text
	case string:
		return isText && got == text
	default:
		return asJSON(got) == string(described)
	}
}

func sameFloat(got float64, described json.RawMessage, text string) bool {
	if digits, ok := strings.CutPrefix(text, "0x"); ok {
		bits, err := strconv.ParseUint(digits, 16, 64)
		return err == nil && math.Float64bits(got) == bits
	}
	switch text {
	case "NaN":
		return math.IsNaN(got)
	case "+Inf":
		return math.IsInf(got, 1)
	case "-Inf":
		return math.IsInf(got, -1)
	case "-0":
		return got == 0 && math.Signbit(got)
	}
	var want float64
	return json.Unmarshal(described, &want) == nil && got == want
}

// The comparison itself must notice every kind of difference, or golden files prove nothing.
func TestTheComparisonOfFramesNoticesEveryDifference(t *testing.T) {
	at := time.Unix(0, 1_700_000_000_123_456_789).UTC()
	labelled := data.NewField("Value", data.Labels{"job": "app"}, []float64{math.NaN(), math.Copysign(0, -1)}).
		SetConfig(&data.FieldConfig{DisplayNameFromDS: "app"})
	five := 5.0
	frame := data.NewFrame("name", data.NewField("Time", nil, []time.Time{at, at}), labelled,
		data.NewField("null", nil, []*float64{nil, &five}), data.NewField("big", nil, []int64{1 << 60, -1})).
		SetMeta(&data.FrameMeta{Type: data.FrameTypeTimeSeriesMulti, TypeVersion: data.FrameTypeVersion{0, 1}})
	frame.RefID = "A"
	encoded, err := frame.MarshalArrow()
	if err != nil {
		t.Fatal(err)
	}
	right := `{"name":"name","refId":"A","meta":{"type":"timeseries-multi","typeVersion":[0,1]},"fields":[
		{"name":"Time","type":"time","values":["1700000000123456789","1700000000123456789"]},
		{"name":"Value","type":"float64","labels":{"job":"app"},"config":{"displayNameFromDS":"app"},"values":["NaN","-0"]},
		{"name":"null","type":"*float64","values":[null,5]},
		{"name":"big","type":"int64","values":["1152921504606846976","-1"]}]}`
	if differences := compareFrame(encoded, []byte(right)); len(differences) != 0 {
		t.Errorf("differences where there are none: %v", differences)
	}
	for _, change := range [][2]string{
		{`"name":"name"`, `"name":"other"`},
		{`"refId":"A"`, `"refId":"B"`},
		{`"typeVersion":[0,1]`, `"typeVersion":[0,0]`},
		{`"name":"Time"`, `"name":"time"`},
		{`"type":"time"`, `"type":"*time"`},
		{`123456789","`, `123456788","`},
		{`"job":"app"`, `"job":"db"`},
		{`"displayNameFromDS":"app"`, `"displayNameFromDS":"db"`},
		{`"NaN"`, `0`},
		{`"-0"`, `"0x0000000000000000"`},
		{`[null,5]`, `[0,5]`},
		{`[null,5]`, `[null,null]`},
		{`[null,5]`, `[null]`},
		{`"-1"`, `"1"`},
	} {
		wrong := strings.Replace(right, change[0], change[1], 1)
		if wrong == right {
			t.Fatalf("the change %v changes nothing", change)
		}
		if len(compareFrame(encoded, []byte(wrong))) == 0 {
			t.Errorf("%s for %s went unnoticed", change[1], change[0])
		}
	}
}
