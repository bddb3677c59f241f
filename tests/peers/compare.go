package peers

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Answer is what a server says to a query, in a form that can be compared.
type Answer struct {
	// ErrorType is empty for an answer that is none.
	ErrorType, Error string
	Type             string
	Series           []AnswerSeries
}

// AnswerSeries is one series of an answer, or its scalar or string.
type AnswerSeries struct {
	Labels string
	Points []Point
}

// Point is a value as the server wrote it, at a time in milliseconds.
type Point struct {
	Time  int64
	Value string
}

// Evaluate asks and reads the answer.
func (s *Server) Evaluate(q Query) (Answer, error) {
	address, form, _ := strings.Cut(s.URL+q.path(), "?")
	values, err := url.ParseQuery(form)
	if err != nil {
		return Answer{}, err
	}
	response, err := s.client.PostForm(address, values)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	var envelope struct {
		Status, ErrorType, Error string
		Data                     struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&envelope); err != nil {
		return Answer{}, fmt.Errorf("%s: %s: %w", s.Name, q.Expr, err)
	}
	answer := Answer{ErrorType: envelope.ErrorType, Error: envelope.Error, Type: envelope.Data.ResultType}
	if envelope.Status != "success" {
		return answer, nil
	}
	type point [2]any
	read := func(points ...point) (out []Point) {
		for _, point := range points {
			seconds, _ := point[0].(float64)
			text, _ := point[1].(string)
			out = append(out, Point{int64(math.Round(seconds * 1000)), text})
		}
		return out
	}
	if answer.Type == "scalar" || answer.Type == "string" {
		var only point
		err = json.Unmarshal(envelope.Data.Result, &only)
		answer.Series = []AnswerSeries{{Points: read(only)}}
		return answer, err
	}
	var series []struct {
		Metric map[string]string
		Value  *point
		Values []point
	}
	err = json.Unmarshal(envelope.Data.Result, &series)
	for _, one := range series {
		// encoding/json writes a map's keys in order.
		labels, _ := json.Marshal(one.Metric)
		if one.Value != nil {
			one.Values = []point{*one.Value}
		}
		answer.Series = append(answer.Series, AnswerSeries{string(labels), read(one.Values...)})
	}
	return answer, err
}

// Empty says that an answer holds nothing.
func (a Answer) Empty() bool { return len(a.Series) == 0 }

// Difference says where two answers differ, and nothing when they are the same: the same series
// in any order, the same times, values equal within 1e-6.
func (a Answer) Difference(b Answer) string {
	if a.ErrorType != b.ErrorType {
		return fmt.Sprintf("%s %q, %s %q", named(a.ErrorType), a.Error, named(b.ErrorType), b.Error)
	}
	if a.Type != b.Type {
		return a.Type + ", " + b.Type
	}
	byLabels := func(answer Answer) []AnswerSeries {
		sorted := slices.Clone(answer.Series)
		slices.SortFunc(sorted, func(x, y AnswerSeries) int { return strings.Compare(x.Labels, y.Labels) })
		return sorted
	}
	left, right := byLabels(a), byLabels(b)
	for i := range max(len(left), len(right)) {
		switch {
		case i >= len(left) || (i < len(right) && left[i].Labels > right[i].Labels):
			return "only there: " + right[i].Labels
		case i >= len(right) || left[i].Labels < right[i].Labels:
			return "only here: " + left[i].Labels
		}
		if len(left[i].Points) != len(right[i].Points) {
			return fmt.Sprintf("%s: %d points, %d points", left[i].Labels, len(left[i].Points), len(right[i].Points))
		}
		for at, point := range left[i].Points {
			if other := right[i].Points[at]; point.Time != other.Time || !near(point.Value, other.Value) {
				return fmt.Sprintf("%s: %v, %v", left[i].Labels, point, other)
			}
		}
	}
	return ""
}

// Order is the values of an instant answer as they came, for what sorts.
func (a Answer) Order() (values []float64) {
	for _, series := range a.Series {
		for _, point := range series.Points {
			value, _ := strconv.ParseFloat(point.Value, 64)
			values = append(values, value)
		}
	}
	return values
}

func named(errorType string) string {
	if errorType == "" {
		return "an answer"
	}
	return errorType
}

func near(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil {
		return false
	}
	if math.IsNaN(x) || math.IsNaN(y) {
		return math.IsNaN(x) && math.IsNaN(y)
	}
	// What is left of sums that cancel out has no digits to compare.
	return x == y || math.Abs(x-y) <= 1e-6*max(math.Abs(x), math.Abs(y)) || math.Abs(x-y) < 1e-12
}
