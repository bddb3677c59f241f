//! Holds the house to its floor plan: which room may enter which.
//!
//! A crate boundary alone does not stop anyone from adding a dependency, so that this test
//! reads every manifest. A capability that does not fit is a reason to redraw the plan in one
//! step: the table in src/README.md, [`PLAN`] and the code together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Every room and the rooms it may enter, as the table in src/README.md has them.
const PLAN: &[(&str, &[&str])] = &[
    ("series", &[]),
    ("exposition", &["series"]),
    ("store", &["series"]),
    ("promql", &["series"]),
    ("scrape", &["exposition", "series"]),
    ("query", &["series"]),
    ("engine", &["query", "promql", "series"]),
    ("api", &["engine", "promql", "scrape", "series"]),
    ("grafana", &["api", "query", "engine", "series"]),
    ("cli", &["api", "engine", "exposition", "scrape", "series"]),
];

/// Rooms that only the tests and benchmarks of a room enter, with the reason.
///
/// Tests follow the plan too: what a test enters, a reader of the room has to know.
const ONLY_IN_TESTS: &[(&str, &str, &str)] = &[];

/// Crates that carry a wire format or a side effect, and the only rooms they may stand in.
///
/// A name that ends in `-` stands for all crates that start with it.
const EDGES: &[(&str, &[&str])] = &[
    ("tonic", &["grafana"]),
    ("prost", &["grafana"]),
    ("arrow-", &["grafana"]),
    ("axum", &["api", "grafana", "cli"]),
    ("reqwest", &["engine", "scrape"]),
    ("hyper", &["scrape", "api", "engine", "cli"]),
    ("tokio", &["scrape", "engine", "api", "grafana", "cli"]),
    ("serde_json", &["scrape", "engine", "api", "grafana", "cli"]),
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(path: &Path) -> Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn may_enter(room: &str) -> Option<&'static [&'static str]> {
    PLAN.iter()
        .find(|(name, _)| *name == room)
        .map(|(_, rooms)| *rooms)
}

/// What a manifest depends on, by the package's own name.
#[derive(Default)]
struct Entered {
    /// Normal and build dependencies, of every target.
    shipped: BTreeSet<String>,
    /// Dependencies of tests and benchmarks.
    tested: BTreeSet<String>,
}

/// Collects the dependencies of `manifest`; names of its own choosing (`package = …`, or an
/// entry of the workspace with a path) are resolved to the package they stand for.
fn entered(manifest: &Table, workspace: &Table) -> Entered {
    let mut found = Entered::default();
    let mut tables = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    for table in tables {
        for (section, tested) in [
            ("dependencies", false),
            ("build-dependencies", false),
            ("build_dependencies", false),
            ("dev-dependencies", true),
            ("dev_dependencies", true),
        ] {
            let Some(dependencies) = table.get(section).and_then(Value::as_table) else {
                continue;
            };
            for (name, specification) in dependencies {
                let package = package_of(name, specification, workspace);
                if tested {
                    &mut found.tested
                } else {
                    &mut found.shipped
                }
                .insert(package);
            }
        }
    }
    found
}

fn package_of(name: &str, specification: &Value, workspace: &Table) -> String {
    if specification.get("workspace").and_then(Value::as_bool) == Some(true) {
        let shared = workspace
            .get("workspace")
            .and_then(|w| w.get("dependencies"))
            .and_then(|dependencies| dependencies.get(name));
        return shared.map_or_else(|| name.to_owned(), |s| package_of(name, s, workspace));
    }
    if let Some(package) = specification.get("package").and_then(Value::as_str) {
        return package.to_owned();
    }
    specification
        .get("path")
        .and_then(Value::as_str)
        .and_then(|path| Path::new(path).file_name()?.to_str())
        .unwrap_or(name)
        .to_owned()
}

fn is_edge(edge: &str, package: &str) -> bool {
    package == edge || edge.ends_with('-') && package.starts_with(edge)
}

/// Everything that is wrong with a room's manifest, one line each.
fn manifest_violations(room: &str, manifest: &Table, workspace: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(allowed) = may_enter(room) else {
        return vec![format!("{room} is not on the floor plan")];
    };
    let entered = entered(manifest, workspace);
    let is_room = |name: &str| may_enter(name).is_some() || name == "headwater";
    for other in entered.shipped.iter().filter(|name| is_room(name)) {
        if !allowed.contains(&other.as_str()) {
            wrong.push(format!(
                "{room} enters {other}, which the floor plan does not allow"
            ));
        }
    }
    for other in entered.tested.iter().filter(|name| is_room(name)) {
        let documented = ONLY_IN_TESTS
            .iter()
            .any(|(r, o, _)| *r == room && o == other);
        if !allowed.contains(&other.as_str()) && !documented {
            wrong.push(format!(
                "the tests of {room} enter {other}, which the floor plan does not allow"
            ));
        }
    }
    for (edge, rooms) in EDGES {
        for package in entered
            .shipped
            .iter()
            .filter(|package| is_edge(edge, package))
        {
            if !rooms.contains(&room) {
                wrong.push(format!(
                    "{room} uses {package}, which belongs to {}",
                    rooms.join(", ")
                ));
            }
        }
    }

    let mut must_be = |keys: &[&str], want: Value| {
        let found = keys
            .iter()
            .try_fold(&Value::Table(manifest.clone()), |v, key| v.get(key))
            .cloned();
        if found.as_ref() != Some(&want) {
            let shown = found.map_or_else(|| "missing".to_owned(), |v| v.to_string());
            wrong.push(format!(
                "{room}: {} is {shown}, want {want}",
                keys.join(".")
            ));
        }
    };
    must_be(&["package", "name"], room.into());
    must_be(&["package", "version"], "0.0.0".into());
    must_be(&["package", "publish"], false.into());
    must_be(&["package", "edition", "workspace"], true.into());
    must_be(&["package", "license", "workspace"], true.into());
    must_be(&["lib", "path"], "lib.rs".into());
    must_be(&["lints", "workspace"], true.into());
    wrong
}

/// Everything that is wrong with the header of a room's `lib.rs`, one line each.
///
/// The header says what the room is for, and in one sentence that starts with `Enters` names
/// every room that its manifest enters.
fn header_violations(room: &str, source: &str, entered: &Entered) -> Vec<String> {
    let header: Vec<&str> = source
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.trim_start_matches("//!").trim())
        .collect();
    if header.first().is_none_or(|line| line.is_empty()) {
        return vec![format!(
            "{room}: lib.rs does not start with a header that says what the room is for"
        )];
    }
    let text = header.join(" ");
    let Some(sentence) = text.find("Enters ").map(|at| &text[at..]) else {
        return vec![format!(
            "{room}: the header does not say what the room enters"
        )];
    };
    let sentence = sentence.split(". ").next().unwrap_or(sentence);
    let named: BTreeSet<&str> = sentence.split('`').skip(1).step_by(2).collect();
    let mut wrong = Vec::new();
    for other in entered
        .shipped
        .iter()
        .filter(|name| may_enter(name).is_some())
    {
        if !named.contains(other.as_str()) {
            wrong.push(format!(
                "{room}: the header does not name {other}, which the manifest enters"
            ));
        }
    }
    let allowed = may_enter(room).unwrap_or_default();
    for other in named {
        if !allowed.contains(&other) {
            wrong.push(format!(
                "{room}: the header names {other}, which the floor plan does not allow"
            ));
        }
    }
    wrong
}

/// The rows of the first table whose header starts with `room`: room → rooms it may enter.
fn plan_in(readme: &str) -> BTreeMap<String, BTreeSet<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut lines = readme
        .lines()
        .skip_while(|line| !line.starts_with("| room"));
    let Some(header) = lines.next() else {
        return BTreeMap::new();
    };
    let enters = cells(header).iter().position(|cell| cell == "may enter");
    let Some(enters) = enters else {
        return BTreeMap::new();
    };
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let row = cells(line);
            let room = row.first()?.trim_matches('`').to_owned();
            let rooms = row.get(enters)?;
            let rooms = rooms
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned());
            Some((room, rooms.filter(|name| name != "–").collect()))
        })
        .collect()
}

/// The folder of the front door, which is no room: it belongs to `main.rs`.
const FRONT_DOOR: &str = "wiring";

fn rooms_on_disk() -> BTreeSet<String> {
    fs::read_dir(house().join("src"))
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            entry
                .path()
                .is_dir()
                .then(|| entry.file_name().into_string().unwrap())
        })
        .filter(|folder| folder != FRONT_DOOR)
        .collect()
}

fn planned_rooms() -> BTreeSet<String> {
    PLAN.iter().map(|(room, _)| (*room).to_owned()).collect()
}

fn assert_none(violations: &[String]) {
    assert!(
        violations.is_empty(),
        "the floor plan is broken:\n  {}",
        violations.join("\n  ")
    );
}

#[test]
fn every_folder_is_a_room_and_every_room_a_member() {
    assert_eq!(
        rooms_on_disk(),
        planned_rooms(),
        "folders of src/ and the floor plan"
    );
    let workspace = manifest(&house().join("Cargo.toml"));
    let members: BTreeSet<String> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| {
            member
                .as_str()
                .unwrap()
                .trim_start_matches("src/")
                .to_owned()
        })
        .collect();
    assert_eq!(
        members,
        planned_rooms(),
        "members of the workspace and the floor plan"
    );
}

#[test]
fn no_room_enters_another_that_the_plan_does_not_allow() {
    let workspace = manifest(&house().join("Cargo.toml"));
    let violations: Vec<String> = planned_rooms()
        .iter()
        .flat_map(|room| {
            let manifest = manifest(&house().join("src").join(room).join("Cargo.toml"));
            manifest_violations(room, &manifest, &workspace)
        })
        .collect();
    assert_none(&violations);
}

#[test]
fn every_header_names_the_rooms_that_are_entered() {
    let workspace = manifest(&house().join("Cargo.toml"));
    let violations: Vec<String> = planned_rooms()
        .iter()
        .flat_map(|room| {
            let folder = house().join("src").join(room);
            let entered = entered(&manifest(&folder.join("Cargo.toml")), &workspace);
            header_violations(room, &read(&folder.join("lib.rs")), &entered)
        })
        .collect();
    assert_none(&violations);
}

#[test]
fn the_plan_on_paper_is_the_plan_that_is_checked() {
    let on_paper = plan_in(&read(&house().join("src/README.md")));
    let checked: BTreeMap<String, BTreeSet<String>> = PLAN
        .iter()
        .map(|(room, rooms)| {
            (
                (*room).to_owned(),
                rooms.iter().map(|name| (*name).to_owned()).collect(),
            )
        })
        .collect();
    assert_eq!(on_paper, checked, "the table in src/README.md and PLAN");
}

#[test]
fn the_plan_has_no_circles() {
    for (room, rooms) in PLAN {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = rooms.to_vec();
        while let Some(next) = open.pop() {
            assert_ne!(next, *room, "{room} enters itself");
            if reached.insert(next) {
                open.extend(may_enter(next).expect("the plan names only rooms"));
            }
        }
    }
}

#[test]
fn files_stand_directly_in_their_room_under_telling_names() {
    let mut wrong = Vec::new();
    for room in planned_rooms() {
        let folder = house().join("src").join(&room);
        if folder.join("src").exists() {
            wrong.push(format!(
                "{room}: its files stand in src/, not in the room itself"
            ));
        }
        let mut open = vec![folder];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                let stem = path
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .unwrap_or_default();
                if EMPTY_NAMES.contains(&stem) {
                    wrong.push(format!(
                        "{}: the name does not say what it holds",
                        path.display()
                    ));
                }
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
    }
    assert_none(&wrong);
}

mod the_rules_notice {
    use super::{Entered, Table, header_violations, manifest_violations, plan_in};

    const GOOD: &str = r#"
        [package]
        name = "scrape"
        version = "0.0.0"
        publish = false
        edition.workspace = true
        license.workspace = true
        [lib]
        path = "lib.rs"
        [dependencies]
        series = { workspace = true }
        [lints]
        workspace = true
    "#;

    const WORKSPACE: &str = r#"
        [workspace.dependencies]
        series = { path = "src/series" }
        cellar = { path = "src/store" }
    "#;

    fn violations(manifest: &str) -> Vec<String> {
        let manifest: Table = manifest.parse().unwrap();
        manifest_violations("scrape", &manifest, &WORKSPACE.parse().unwrap())
    }

    fn check(manifest: &str, expected: &str) {
        let found = violations(manifest);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains(expected),
            "{found:?} should speak of {expected:?}"
        );
    }

    fn check_added(dependencies: &str, expected: &str) {
        check(&format!("{GOOD}\n{dependencies}"), expected);
    }

    #[test]
    fn nothing_in_a_good_manifest() {
        assert_eq!(violations(GOOD), Vec::<String>::new());
    }

    #[test]
    fn a_room_that_may_not_be_entered() {
        let store = "store = { path = \"../store\" }\nseries = { workspace = true }";
        check(
            &GOOD.replace("series = { workspace = true }", store),
            "scrape enters store",
        );
    }

    #[test]
    fn a_room_under_another_name() {
        let cellar = "cellar = { workspace = true }";
        check(
            &GOOD.replace("series = { workspace = true }", cellar),
            "scrape enters store",
        );
        check_added(
            "[build-dependencies]\nx = { package = \"promql\", path = \"../promql\" }",
            "scrape enters promql",
        );
    }

    #[test]
    fn a_room_entered_on_one_platform_only() {
        check_added(
            "[target.'cfg(windows)'.dependencies]\nstore = \"0\"",
            "scrape enters store",
        );
    }

    #[test]
    fn a_room_entered_by_tests_only() {
        check_added(
            "[dev-dependencies]\nstore = { path = \"../store\" }",
            "the tests of scrape enter store",
        );
    }

    #[test]
    fn the_front_door_entered_from_inside() {
        check_added(
            "[dev-dependencies]\nheadwater = { path = \"../..\" , package = \"headwater\" }",
            "headwater",
        );
    }

    #[test]
    fn a_wire_format_away_from_its_edge() {
        check_added(
            "[target.'cfg(unix)'.dependencies]\narrow-ipc = \"1\"",
            "scrape uses arrow-ipc",
        );
        check_added("[build-dependencies]\ntonic = \"0\"", "scrape uses tonic");
    }

    #[test]
    fn a_manifest_that_is_not_as_the_others() {
        check(&GOOD.replace("0.0.0", "1.2.3"), "package.version");
        check(
            &GOOD.replace("publish = false", ""),
            "package.publish is missing",
        );
        check(&GOOD.replace("lib.rs", "src/lib.rs"), "lib.path");
        check(
            &GOOD.replace("[lints]\n        workspace = true", ""),
            "lints.workspace",
        );
    }

    #[test]
    fn a_room_that_is_not_on_the_plan() {
        let found = manifest_violations("attic", &Table::new(), &Table::new());
        assert_eq!(found, ["attic is not on the floor plan"]);
    }

    #[test]
    fn a_header_that_is_missing_silent_or_wrong() {
        let entered = |names: &[&str]| Entered {
            shipped: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Entered::default()
        };
        let check = |source: &str, rooms: &[&str], expected: &str| {
            let found = header_violations("scrape", source, &entered(rooms));
            assert!(
                found.iter().any(|line| line.contains(expected)),
                "{found:?}: {expected:?}"
            );
        };
        check("mod clock;", &[], "does not start with a header");
        check(
            "//! Fetches pages.\nmod clock;",
            &[],
            "does not say what the room enters",
        );
        check(
            "//! Fetches.\n//! Enters `series`. Knows `exposition`.",
            &["exposition"],
            "does not name exposition",
        );
        check(
            "//! Fetches.\n//! Enters `store`\n//! and `series`.",
            &["series"],
            "names store",
        );
        let good =
            "//! Fetches.\n//!\n//! Enters `exposition` and\n//! `series`. Knows no `store`.";
        assert_eq!(
            header_violations("scrape", good, &entered(&["exposition", "series"])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_table_that_has_changed() {
        let table = "| room | owns | may enter |\n|---|---|---|\n| `a` | x | `b`, `c` |\n| `b` | y | – |\n\n| `c` |";
        let plan = plan_in(table);
        assert_eq!(plan.len(), 2);
        assert_eq!(plan["a"].iter().collect::<Vec<_>>(), ["b", "c"]);
        assert!(plan["b"].is_empty());
        assert!(plan_in("no table at all").is_empty());
    }
}
