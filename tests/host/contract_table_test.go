package host

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// contractTable says by which tests each row of `../shared/design/query-contract.md` is exercised
// through the Go host. `row` is the beginning of a row or of a sentence there. A test whose name
// begins with `real: ` is one of contractRows, which all real servers answer; one that begins
// with `grafana: ` stands in frontend/e2e, for it needs a browser.
//
// TestEveryRowOfTheContractHasATest holds the table to the tests, and to the contract where that
// is there.
var contractTable = []struct {
	row   string
	tests []string
}{
	// Settings
	{"A data source provisioned for Prometheus works", []string{"TestSettingsOfTheFrontendAloneMeanNothingToTheBackend", "TestUnknownKeysDoNotStandInTheWay"}},
	{"| `url` (or `jsonData.url`)", []string{"TestBasicAuthenticationAndTheURLOfJsonData", "TestHealthRecognisesAnExportersPage", "real: a page instead of an API"}},
	{"| `jsonData` | `engine`", []string{"TestAStreamSendsFramesAndEndsWithItsLastSubscriber", "TestARangeQueryIsOneFramePerSeries"}},
	{"| both | `timeInterval`", []string{"TestTheStepFollowsFromIntervalsAndPoints", "real: steps"}},
	{"| remote | `httpMethod, queryTimeout", []string{
		"TestCustomParametersAndTheMethodReachTheServer", "TestAServerThatRefusesPOSTIsAskedWithGETFromThenOn",
		"TestTheQueryTimeoutOfTheSettingsEndsAQuery", "TestAnOldServerHasItsNamesAmongSeries", "real: a moving range",
		"TestAHundredPanelsOfTenQueriesAreTenRequestsARefresh", "TestSettingsOfTheFrontendAloneMeanNothingToTheBackend",
		"TestNamesAreLookedUpAmongSeriesWhereTheSettingsSaySo", "TestLookUpsAreBoundedAndSayWhereTheyWereCut",
		"real: GET, custom parameters and statistics",
		"real: settings that reach the server",
	}},
	{"| both | `basicAuth`, `basicAuthUser`", []string{
		"TestBasicAuthenticationAndTheURLOfJsonData", "TestTLSTakesTheAuthorityTheNameAndOurCertificateFromTheSettings",
		"TestARealPrometheusBehindTLSAndAPassword", "TestIdentityAndCookiesGoAlongWhereSettingsSaySo", "TestSecretsReachTheServerAndOnlyTheServer",
		"TestAProxyStandsBetweenWhereTheHostNamesOne",
		"real: settings that reach the server",
	}},
	{"| embedded | `targets` (list)", []string{"TestMetricsTellOfEachDataSourcesStore", "TestAWrongValueNamesItsKey"}},
	{"| `secureJsonData`", []string{"TestSecretsReachTheServerAndOnlyTheServer", "TestASecretIsNeverLoggedOrAnswered", "TestARealPrometheusBehindTLSAndAPassword", "real: settings that reach the server"}},
	// Query JSON
	{"`expr, range, instant, exemplar, format", []string{"TestValuesOfOddTypesDoNotFailAQuery", "real: values of odd types"}},
	{"- Neither `range` nor `instant`", []string{"TestBothKindsOfQueryAreRunTogether", "TestTheStepFollowsFromIntervalsAndPoints", "real: both", "real: neither means range"}},
	{"- `queryText` is read as `expr`", []string{"TestTheExpressionIsFoundUnderEachName", "real: the builder's keys"}},
	// Step
	{"- min = Min step", []string{"TestTheStepFollowsFromIntervalsAndPoints", "real: steps"}},
	{"- calc = range / maxDataPoints", []string{"TestTheStepFollowsFromIntervalsAndPoints", "real: steps"}},
	{"- step = max(calc", []string{"TestTheStepFollowsFromIntervalsAndPoints", "real: never too many steps", "real: steps"}},
	// Macros
	{"- `$__interval`, `$__interval_ms`", []string{"TestMacrosAreFilledIn", "real: the interval contains the factor"}},
	{"- `$__rate_interval` = max", []string{"TestMacrosAreFilledIn", "real: the rate interval"}},
	{"- `$__range`, `$__range_s`", []string{"TestMacrosAreFilledIn", "real: macros"}},
	// Alignment
	{"Range start and end = floor", []string{"TestARangeIsAlignedToItsStep", "TestADayStartsAtTheViewersMidnight", "TestAnInstantQueryIsOneFramePerSeries", "real: a day starts at the viewer's midnight", "real: an instant query asks for the end as it is"}},
	// Resources
	{"Under the data source's `resources/`", []string{
		"TestPrometheusPathsPassThrough", "TestAFormBodyPassesThrough", "TestAnErrorOfTheServerKeepsItsStatusAndWords",
		"TestLabelNamesBeyondASCIIArriveEscaped", "TestAnUnknownPathIsNotFoundAndAnUnknownMethodNotAllowed",
		"TestThePluginIsNoDoorForTheBrowsersHeaders", "real: the paths that pass through", "real: suggestions",
	}},
	{"Headwater's own, in both engines", []string{"real: metrics", "real: validate", "real: variable-query", "real: metric-search"}},
	// Frames
	{"| matrix |", []string{"TestARangeQueryIsOneFramePerSeries", "real: matrix"}},
	{"| vector |", []string{"TestAnInstantQueryIsOneFramePerSeries", "real: vector"}},
	{"| scalar |", []string{"TestScalarsStringsAndEmptyAnswersHaveTheirShapes", "real: scalar"}},
	{"| string |", []string{"TestScalarsStringsAndEmptyAnswersHaveTheirShapes", "real: string"}},
	{"| native histogram |", []string{"TestANativeHistogramIsAHeatmapFrame", "TestNativeHistogramsAndExemplarsOfARealPrometheus"}},
	{"| exemplars |", []string{"TestExemplarsAreOneFrameAndNotForAlertRules", "real: exemplars ask no more than the server has", "TestNativeHistogramsAndExemplarsOfARealPrometheus"}},
	{"- One frame per series", []string{"TestARangeQueryIsOneFramePerSeries", "TestALargeAnswerArrivesWhole", "real: matrix"}},
	{"- Field 1 `config.displayNameFromDS`", []string{"TestTheLegendNamesTheSeries", "real: vector", "real: legends"}},
	{"- The first frame's meta", []string{"TestARangeQueryIsOneFramePerSeries", "real: matrix", "real: empty"}},
	{"- Notices: warnings, then infos", []string{"TestNoticesStandOnEveryFrameAndAloneOnOneOfTheirOwn", "TestStatisticsAreTheServersOwn", "real: GET, custom parameters and statistics", "real: notices"}},
	{"- Exemplars: per step", []string{"TestExemplarsAreOneFrameAndNotForAlertRules", "TestNativeHistogramsAndExemplarsOfARealPrometheus"}},
	{"- typeVersion is mandatory", []string{"TestAnInstantQueryIsOneFramePerSeries", "real: an alert rule's question"}},
	// Errors
	{"- Transport failure → 502", []string{"TestAnErrorKeepsItsStatusAndSaysWhoseItIs", "TestHealthNamesTheServerThatDoesNotAnswer", "real: a mistake keeps the server's words", "real: a server that has gone"}},
	{"- A body that is an exposition page", []string{"TestAnErrorKeepsItsStatusAndSaysWhoseItIs", "TestHealthRecognisesAnExportersPage", "real: a page instead of an API"}},
	{"- 429 keeps its status", []string{"TestAnErrorKeepsItsStatusAndSaysWhoseItIs"}},
	// Frontend
	{"Formats (time series, table, heatmap)", []string{"grafana: "}},
}

func TestEveryRowOfTheContractHasATest(t *testing.T) {
	known := map[string]bool{"grafana: ": true}
	for _, row := range contractRows {
		known["real: "+row.name] = true
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range declared.FindAllStringSubmatch(string(text), -1) {
			known[found[1]] = true
		}
	}
	used := map[string]bool{}
	for _, entry := range contractTable {
		if len(entry.tests) == 0 {
			t.Errorf("%q has no test", entry.row)
		}
		for _, test := range entry.tests {
			used[test] = true
			if !known[test] {
				t.Errorf("%q: there is no %q", entry.row, test)
			}
		}
	}
	for _, row := range contractRows {
		if !used["real: "+row.name] && row.name != "health names the server" {
			t.Errorf("the table says of no row that %q exercises it", row.name)
		}
	}

	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "design", "query-contract.md"))
	if err != nil {
		// It lies beside the checkout and is no part of it.
		t.Logf("the contract is not here to be compared with: %v", err)
		return
	}
	for _, line := range contractLines(string(text)) {
		found := false
		for _, entry := range contractTable {
			found = found || strings.HasPrefix(line, entry.row)
		}
		if !found {
			t.Errorf("no test is named for this row of the contract: %.80s", line)
		}
	}
}

// contractLines are the rows, list entries and sentences of the contract that promise something
// of the plugin.
func contractLines(contract string) []string {
	var lines []string
	heading := ""
	for line := range strings.Lines(contract) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			heading = line
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "|---"), strings.HasPrefix(line, "| where"), strings.HasPrefix(line, "| result"):
		// The introduction, and what is promised not to be had.
		case heading == "", strings.HasPrefix(heading, "## What cannot"):
		default:
			lines = append(lines, line)
		}
	}
	return lines
}
