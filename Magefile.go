//go:build mage

// One thin target for every habit. What a target does is said by cargo, npm and go; what
// stands here is the order, and the few files that none of them writes.
//
// `go run mage.go -l` lists the targets; nothing needs to be installed for that but Go.
package main

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
	"github.com/magefile/mage/target"
)

const (
	frontend   = "frontend"
	dist       = "dist"
	artifacts  = "artifacts"
	hostTests  = "tests/host"
	peerTests  = "tests/peers"
	firstDay   = "tests/first_day"
	wiki       = "provisioning/examples/wiki"
	tools      = ".tools"
	frames     = "artifacts/frames"
	executable = "gpx_headwater"
)

// Default is what `go run mage.go` does without a target.
var Default = Check

// Aliases are other names for targets.
var Aliases = map[string]any{"test": Check, "bench": Bench.All}

// Build compiles the plugin for release, on Linux as a static binary, into dist/.
func Build() error {
	mg.Deps(Page)
	triple := map[string]string{
		"amd64": "x86_64-unknown-linux-gnu",
		"arm64": "aarch64-unknown-linux-gnu",
	}[runtime.GOARCH]
	arguments := []string{"build", "--release", "--locked", "--bin", executable}
	built := filepath.Join(targetDirectory(), "release", executable)
	environment := map[string]string{}
	if runtime.GOOS == "linux" && triple != "" {
		// Grafana's image has no libgcc_s. Naming the target keeps the flag away from build
		// scripts and procedural macros, which cannot be static.
		arguments = append(arguments, "--target", triple)
		environment["RUSTFLAGS"] = "-C target-feature=+crt-static"
		built = filepath.Join(targetDirectory(), triple, "release", executable)
	}
	if runtime.GOOS == "windows" {
		built += ".exe"
	}
	if err := sh.RunWithV(environment, "cargo", arguments...); err != nil {
		return err
	}
	return copyFile(built, binary(), 0o755)
}

// binary is the plugin's file in dist/, named as Grafana looks for it.
func binary() string {
	name := fmt.Sprintf("%s_%s_%s", executable, runtime.GOOS, runtime.GOARCH)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dist, name)
}

// Frontend installs the frontend's packages where they are missing and bundles it into frontend/dist.
func Frontend() error {
	mg.Deps(frontendPackages)
	return npm("run", "build")
}

// Page bundles the page of demo and serve, which the next build takes into the binary.
//
// Without Node everything else works; the page then says how to build it.
func Page() error {
	if _, err := exec.LookPath("npm"); err != nil && os.Getenv("CI") == "" {
		fmt.Println("npm is missing, so the page of demo and serve will only say how to build it. Install Node 20.19 or newer: https://nodejs.org")
		return nil
	}
	mg.Deps(frontendPackages)
	// A bundle that is written anew, with whatever in it, has cargo compile the rooms above it.
	stale, err := target.Glob(filepath.Join(frontend, "page", "dist", "page.js"),
		filepath.Join(frontend, "page", "*.*"),
		filepath.Join(frontend, "src", "img", "logo.svg"),
		filepath.Join(frontend, "package-lock.json"))
	if err != nil || !stale {
		return err
	}
	return npm("run", "build:page")
}

// PageCheck looks at the page of demo and serve in a Chromium, with the binary of dist/.
func PageCheck() error {
	mg.Deps(Build, frontendPackages)
	if chromium := os.Getenv("CHROMIUM_PATH"); chromium == "" && os.Getenv("CI") == "" {
		if _, err := os.Stat("/usr/bin/chromium"); err != nil {
			fmt.Println("SKIPPED: the page of demo and serve was not looked at: no Chromium at /usr/bin/chromium. Install it, or name one in CHROMIUM_PATH")
			return nil
		}
	}
	program, err := filepath.Abs(binary())
	if err != nil {
		return err
	}
	return sh.RunWithV(map[string]string{"HEADWATER_BIN": program}, "npm", "--prefix", frontend, "run", "e2e:page")
}

func npm(arguments ...string) error {
	return sh.RunV("npm", append([]string{"--prefix", frontend}, arguments...)...)
}

// frontendPackages installs what the lock file names unless that has been done already.
//
// `npm ci` would be stricter, but refuses the lock file where a registry lacks the optional
// packages of other platforms; this takes the locked versions and leaves the file as it is.
func frontendPackages() error {
	if err := needs("npm", "install Node 20 or newer: https://nodejs.org"); err != nil {
		return err
	}
	locked, err := os.Stat(filepath.Join(frontend, "package-lock.json"))
	if err != nil {
		return err
	}
	installed, err := os.Stat(filepath.Join(frontend, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(locked.ModTime()) {
		return nil
	}
	return npm("install", "--no-save", "--no-audit", "--no-fund")
}

// Dist fills dist/ with all that Grafana wants of a plugin.
func Dist() error {
	mg.SerialDeps(Versions, Frontend, Build)
	return assemble()
}

// assemble puts the bundled frontend and the documents beside the plugin's binary.
func assemble() error {
	bundle := filepath.Join(frontend, "dist")
	err := filepath.WalkDir(bundle, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(bundle, file)
		if err != nil {
			return err
		}
		return copyFile(file, filepath.Join(dist, relative), 0o644)
	})
	if err != nil {
		return err
	}
	if err := copyFile("README.md", filepath.Join(dist, "README.md"), 0o644); err != nil {
		return err
	}
	return complete()
}

// complete fails when something is missing from dist/ that Grafana or a person looks for.
func complete() error {
	for _, name := range []string{"plugin.json", "module.js", "img/logo.svg", "README.md", "LICENSE", "CHANGELOG.md", filepath.Base(binary())} {
		info, err := os.Stat(filepath.Join(dist, name))
		if err != nil {
			return fmt.Errorf("dist/ is not what Grafana wants: %w", err)
		}
		if executable := info.Mode().Perm()&0o111 != 0; executable != (name == filepath.Base(binary())) {
			return fmt.Errorf("dist/%s has mode %v", name, info.Mode())
		}
	}
	return nil
}

// Check runs everything that CI runs; what fails fastest comes first.
func Check() error {
	// The page before the crate that takes it in, or that would be compiled twice.
	mg.SerialDeps(Tools, Versions, Format, Page, Lint, Rust, FrontendCheck, Host, Peers, PageCheck, Wiki, FirstDay)
	return assemble()
}

// Format fails when a Rust or Go file is not formatted.
func Format() error {
	if err := sh.RunV("cargo", "fmt", "--all", "--check"); err != nil {
		return err
	}
	unformatted, err := sh.Output("gofmt", "-l", "Magefile.go", "mage.go", hostTests, peerTests)
	if err != nil {
		return err
	}
	if unformatted != "" {
		return fmt.Errorf("not formatted (run `gofmt -w` on them):\n%s", unformatted)
	}
	return nil
}

// Lint runs clippy and go vet, and cargo-deny where it is installed.
func Lint() error {
	if err := sh.RunV("cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"vet", "-tags", "mage", "."},
		{"vet", "mage.go"},
		{"-C", hostTests, "vet", "./..."},
		{"-C", peerTests, "vet", "./..."},
	} {
		if err := sh.RunV("go", arguments...); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath("cargo-deny"); err != nil {
		// tests/licences.rs holds every dependency to the same list.
		fmt.Println("cargo-deny is not installed (cargo install --locked cargo-deny); tests/licences.rs checks licences and sources")
		return nil
	}
	return sh.RunV("cargo", "deny", "check", "licenses", "sources")
}

// Rust runs the tests of every room, the floor plan and the check of generated code.
func Rust() error {
	return sh.RunV("cargo", "test", "--workspace", "--locked")
}

// FrontendCheck lints, type-checks, tests and bundles the frontend.
func FrontendCheck() error {
	mg.Deps(frontendPackages)
	return npm("run", "check")
}

// Host builds the plugin, starts it as Grafana does and checks it from there.
func Host() error {
	mg.Deps(Build)
	if err := sh.RunV("cargo", "build", "--locked", "--bin", executable); err != nil {
		return err
	}
	if err := randomFrames(); err != nil {
		return err
	}
	return onBinary(hostTests, "test", "-count=1", "./...")
}

// Peers compares the answers of `serve` with those of Debian's Prometheus on the same samples.
func Peers() error {
	mg.Deps(Build)
	return onBinary(peerTests, "test", "-count=1", "./...")
}

// randomFrames has the Rust side write frames made at random, for the host to read them as
// Grafana does. HEADWATER_SEED repeats a run.
func randomFrames() error {
	directory, err := filepath.Abs(frames)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	seed := os.Getenv("HEADWATER_SEED")
	if seed == "" {
		seed = strconv.FormatInt(time.Now().UnixNano(), 10)
	}
	return sh.RunV("cargo", "run", "--locked", "-p", "grafana", "--example", "random_frames", "--", directory, seed, "300")
}

// onBinary runs `go` in a module of tests with the binary of dist/ under test, and beside it
// the debug build, which alone makes mistakes on request.
func onBinary(module string, arguments ...string) error {
	environment := map[string]string{}
	for variable, file := range map[string]string{
		"HEADWATER_BIN":       binary(),
		"HEADWATER_DEBUG_BIN": filepath.Join(targetDirectory(), "debug", executable),
		"HEADWATER_FRAMES":    frames,
	} {
		path, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		environment[variable] = path
	}
	return sh.RunWithV(environment, "go", append([]string{"-C", module}, arguments...)...)
}

func targetDirectory() string {
	if directory := os.Getenv("CARGO_TARGET_DIR"); directory != "" {
		return directory
	}
	return "target"
}

// Bench prints the project's figures.
type Bench mg.Namespace

// All runs the benchmarks of the rooms, of the whole process, and beside other servers; where
// GRAFANA_URL names a Grafana, that of the metric field too.
func (Bench) All() {
	mg.SerialDeps(Bench.Rooms, Bench.Host, Bench.Peers)
	if os.Getenv("GRAFANA_URL") == "" {
		fmt.Println("SKIPPED: the metric field is measured in a browser (bench:field), and GRAFANA_URL names no Grafana for it")
		return
	}
	mg.SerialDeps(Bench.Field)
}

// Field measures the metric field with 200,000 names in a browser: in the Grafana at GRAFANA_URL,
// which has the plugin and runs on this machine.
func (Bench) Field() error {
	if os.Getenv("GRAFANA_URL") == "" {
		return errors.New("GRAFANA_URL names no Grafana: start one that has the plugin, on this machine, and name its address")
	}
	mg.Deps(frontendPackages)
	return npm("run", "figures:metric-field")
}

// Rooms runs the benchmarks of each room by itself.
func (Bench) Rooms() error {
	return sh.RunV("cargo", "bench", "--workspace", "--locked")
}

// Host measures the plugin's process as Grafana sees it.
func (Bench) Host() error {
	mg.Deps(Build)
	return onBinary(hostTests, "test", "-run=^$", "-bench=.", "-benchtime=20x", "./...")
}

// Peers measures `serve` beside Prometheus and VictoriaMetrics on the same samples, which takes
// some ten minutes. HEADWATER_PEERS_FLAGS narrows it, such as "-scale=10".
func (Bench) Peers() error {
	mg.Deps(Build)
	arguments := []string{"test", "-run=^$", "-bench=.", "-benchtime=1x", "-timeout=60m", ".", "-args"}
	return onBinary(peerTests, append(arguments, strings.Fields(os.Getenv("HEADWATER_PEERS_FLAGS"))...)...)
}

// Demo shows Headwater at work on this machine, without Grafana.
func Demo() error {
	mg.Deps(Page)
	if _, err := os.Stat(filepath.Join(targetDirectory(), "release", executable)); err != nil {
		fmt.Println("Compiling Headwater, which takes a few minutes the first time and seconds after that. Then the address of a page with live charts stands here.")
	}
	return sh.RunV("cargo", "run", "--release", "--locked", "--bin", executable, "--", "demo")
}

// Wiki tests the sample app.
func Wiki() error {
	mg.Deps(pythonPackages)
	python, err := venvProgram("python")
	if err != nil {
		return err
	}
	return in(wiki, nil, python, "-m", "pytest")
}

// FirstDay checks what a person uses on the first day: compose, provisioning, workflows and
// documents, each by its own validator, and every expression against the running sample app.
func FirstDay() error {
	mg.Deps(pythonPackages, validatorPackages)
	python, err := venvProgram("python")
	if err != nil {
		return err
	}
	return in(firstDay, nil, python, "-m", "pytest", "--ignore", "e2e")
}

// in runs a program in a folder.
func in(directory string, environment map[string]string, program string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.Dir, command.Stdout, command.Stderr = directory, os.Stdout, os.Stderr
	command.Env = os.Environ()
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return command.Run()
}

// venvProgram is the absolute path of a program in the virtual environment.
func venvProgram(name string) (string, error) {
	if runtime.GOOS == "windows" {
		return filepath.Abs(filepath.Join(tools, "venv", "Scripts", name+".exe"))
	}
	return filepath.Abs(filepath.Join(tools, "venv", "bin", name))
}

// pythonPackages makes the virtual environment of the sample app and the validators, unless it
// was made from the lists as they are now.
func pythonPackages() error {
	if err := needs("python3", "install Python 3.11 or newer"); err != nil {
		return err
	}
	lists := []string{filepath.Join(wiki, "requirements.txt"), filepath.Join(wiki, "requirements-dev.txt"), filepath.Join(firstDay, "requirements.txt")}
	var wanted []byte
	for _, list := range lists {
		content, err := os.ReadFile(list)
		if err != nil {
			return err
		}
		wanted = append(wanted, content...)
	}
	venv := filepath.Join(tools, "venv")
	note := filepath.Join(venv, "made-from")
	if made, err := os.ReadFile(note); err == nil && string(made) == string(wanted) {
		return nil
	}
	if err := os.RemoveAll(venv); err != nil {
		return err
	}
	if err := sh.RunV("python3", "-m", "venv", venv); err != nil {
		return err
	}
	python, err := venvProgram("python")
	if err != nil {
		return err
	}
	arguments := []string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}
	for _, list := range lists[1:] {
		arguments = append(arguments, "--requirement", list)
	}
	if err := sh.RunV(python, arguments...); err != nil {
		return err
	}
	return os.WriteFile(note, wanted, 0o644)
}

// validatorPackages installs the validators that npm brings, as frontendPackages does.
func validatorPackages() error {
	if err := needs("npm", "install Node 20 or newer: https://nodejs.org"); err != nil {
		return err
	}
	locked, err := os.Stat(filepath.Join(firstDay, "package-lock.json"))
	if err != nil {
		return err
	}
	installed, err := os.Stat(filepath.Join(firstDay, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(locked.ModTime()) {
		return nil
	}
	return sh.RunV("npm", "--prefix", firstDay, "install", "--no-save", "--no-audit", "--no-fund")
}

// E2e drives the plugin in a real Grafana with a browser: the one at GRAFANA_URL, or one that
// compose starts where Docker is. With GRAFANA_HOME, the folder of an installed Grafana, it also
// starts Grafanas of its own, to restart them and to see alerts fire.
func E2e() error {
	mg.Deps(frontendPackages)
	if os.Getenv("GRAFANA_HOME") != "" {
		mg.Deps(Dist)
		if err := firstDayInGrafana(); err != nil {
			return err
		}
		if os.Getenv("GRAFANA_URL") == "" {
			return nil
		}
	}
	if os.Getenv("GRAFANA_URL") != "" {
		return npm("run", "e2e")
	}
	return e2eInCompose()
}

// firstDayInGrafana runs the provisioning files as they are in Grafanas of the tests' own.
func firstDayInGrafana() error {
	mg.Deps(pythonPackages)
	python, err := venvProgram("python")
	if err != nil {
		return err
	}
	return in(firstDay, nil, python, "-m", "pytest", "e2e")
}

// e2eInCompose starts the compose file under a name and with a password of its own, and takes
// it down with its volumes, however the tests end.
func e2eInCompose() (err error) {
	if err := needs("docker", "install Docker, or set GRAFANA_URL to a Grafana that has the plugin"); err != nil {
		return err
	}
	mg.Deps(Dist)
	const project, password, port = "headwater-e2e", "for-these-tests-only", "3300"
	environment := map[string]string{
		"GRAFANA_ADMIN_PASSWORD": password, "GRAFANA_PORT": port, "WIKI_PORT": "8300", "PROMETHEUS_PORT": "9390",
	}
	compose := func(arguments ...string) error {
		return sh.RunWithV(environment, "docker", append([]string{"compose", "--project-name", project, "--profile", "prometheus"}, arguments...)...)
	}
	defer func() { err = errors.Join(err, compose("down", "--volumes", "--timeout", "5")) }()
	if err := compose("up", "--build", "--detach", "--wait"); err != nil {
		return err
	}
	return sh.RunWithV(map[string]string{
		"GRAFANA_URL": "http://127.0.0.1:" + port, "GRAFANA_ADMIN_PASSWORD": password, "WIKI_URL": "http://127.0.0.1:8300",
	}, "npm", "--prefix", frontend, "run", "e2e")
}

// Package writes the release archive and its checksum into artifacts/.
func Package() error {
	mg.Deps(Dist)
	about, err := description()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s.%s_%s.zip", about.ID, about.Info.Version, runtime.GOOS, runtime.GOARCH)
	archive := filepath.Join(artifacts, name)
	if err := writeArchive(archive, about); err != nil {
		return err
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	// The form that `sha256sum --check` reads.
	sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
	fmt.Print(sum)
	return os.WriteFile(archive+".sha256", []byte(sum), 0o644)
}

// Release publishes the archives in artifacts/ under the version's tag, with the changelog's
// part about it. It needs the GitHub command line and a token, as a workflow has them.
func Release() error {
	mg.Deps(Versions)
	if err := needs("gh", "install the GitHub command line"); err != nil {
		return err
	}
	about, err := description()
	if err != nil {
		return err
	}
	tag := "v" + about.Info.Version
	if ref := os.Getenv("GITHUB_REF_NAME"); ref != tag {
		return fmt.Errorf("the tag is %q, and plugin.json's version asks for %q", ref, tag)
	}
	archives, err := filepath.Glob(filepath.Join(artifacts, about.ID+"-"+about.Info.Version+".*.zip*"))
	if err != nil {
		return err
	}
	if len(archives) == 0 {
		return fmt.Errorf("no archive of version %s in %s/: run the target package first", about.Info.Version, artifacts)
	}
	return sh.RunV("gh", append([]string{"release", "create", tag, "--verify-tag", "--title", "Headwater " + about.Info.Version, "--notes-file", "CHANGELOG.md"}, archives...)...)
}

// writeArchive puts dist/ into one folder named as the plugin, with the files' modes. The
// same dist/ always gives the same bytes: the order is the walk's, the time the release's.
func writeArchive(archive string, about pluginDescription) (err error) {
	released, err := time.Parse(time.DateOnly, about.Info.Updated)
	if err != nil {
		return fmt.Errorf("plugin.json: info.updated: %w", err)
	}
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	writer := zip.NewWriter(out)
	defer func() { err = errors.Join(err, writer.Close()) }()
	return filepath.WalkDir(dist, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		header, err := zip.FileInfoHeader(info)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(dist, file)
		if err != nil {
			return err
		}
		header.Name = path.Join(about.ID, filepath.ToSlash(inside))
		header.Method, header.Modified = zip.Deflate, released
		entryWriter, err := writer.CreateHeader(header)
		if err != nil {
			return err
		}
		content, err := os.Open(file)
		if err != nil {
			return err
		}
		defer content.Close()
		_, err = io.Copy(entryWriter, content)
		return err
	})
}

// pluginDescription is what the targets read of plugin.json.
type pluginDescription struct {
	ID   string
	Info struct{ Version, Updated string }
}

func description() (about pluginDescription, err error) {
	encoded, err := os.ReadFile("plugin.json")
	if err != nil {
		return about, err
	}
	return about, json.Unmarshal(encoded, &about)
}

// Versions fails unless Cargo.toml, plugin.json and package.json name the same version.
func Versions() error {
	about, err := description()
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile("Cargo.toml")
	if err != nil {
		return err
	}
	workspace := regexp.MustCompile(`(?ms)^\[workspace\.package\]\n(?:[^\[]*\n)?version = "([^"]+)"`).FindSubmatch(manifest)
	if workspace == nil {
		return errors.New("Cargo.toml: no version in [workspace.package]")
	}
	encoded, err := os.ReadFile(filepath.Join(frontend, "package.json"))
	if err != nil {
		return err
	}
	var face struct{ Version string }
	if err := json.Unmarshal(encoded, &face); err != nil {
		return err
	}
	if cargo := string(workspace[1]); cargo != about.Info.Version || cargo != face.Version {
		return fmt.Errorf("versions differ: Cargo.toml %s, plugin.json %s, %s/package.json %s", cargo, about.Info.Version, frontend, face.Version)
	}
	return nil
}

// Tools installs the Debian packages of .ci/packages that are missing, or says how to.
func Tools() error {
	list, err := os.Open(".ci/packages")
	if err != nil {
		return err
	}
	defer list.Close()
	var missing []string
	for lines := bufio.NewScanner(list); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if _, err := exec.LookPath(fields[1]); err != nil {
			missing = append(missing, fields[0])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := "apt-get install -y --no-install-recommends " + strings.Join(missing, " ")
	_, err = exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			return fmt.Errorf("missing: %s. As root on Debian: %s", strings.Join(missing, ", "), install)
		}
		fmt.Printf("tests that need %s will be skipped; to run them, as root on Debian: %s\n", strings.Join(missing, ", "), install)
		return nil
	}
	// The run level keeps a server that is installed for the tests from being started.
	quiet := map[string]string{"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
	if err := sh.RunWithV(quiet, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return sh.RunWithV(quiet, "apt-get", strings.Fields(install)[1:]...)
}

// needs fails with the line that helps when a program is missing.
func needs(program, help string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%s is missing: %s", program, help)
	}
	return nil
}

// copyFile replaces the target as a whole: a plugin that is running keeps its old file.
func copyFile(from, to string, mode fs.FileMode) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		return err
	}
	// The umask may have taken bits away that Grafana needs.
	return os.Chmod(to, mode)
}
