//! The tables in the documentation name files, functions and tests that exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

const TABLES: &[(&str, &str)] = &[
    ("specifications", include_str!("../src/docs/specifications.md")),
    ("security", include_str!("../src/docs/security.md")),
    ("faults", include_str!("../src/docs/faults.md")),
    ("certification", include_str!("../src/docs/certification.md")),
];

/// The texts in backticks of a cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|_| panic!("{path} does not exist"))
}

/// Whether there is a test of this name, or a rule that a macro makes a test for each store.
fn is_tested(source: &str, name: &str) -> bool {
    let marks = |line: &&str| line.starts_with("#[") || line.starts_with("//");
    let is_test = |(at, _): (usize, &str)| {
        let (before, _) = source[..at].rsplit_once('\n').unwrap_or_default();
        let mut before = before.lines().rev().map(str::trim).take_while(marks);
        before.any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
    };
    let (race, rule) = (format!("{name}("), format!("::{name},"));
    let races = source.contains("macro_rules! races");
    let rules = source.contains("macro_rules! every_rule_over");
    source.match_indices(&format!("fn {name}(")).any(is_test)
        || races && source.lines().any(|line| line.trim_start().starts_with(&race))
        || rules && source.lines().any(|line| line.ends_with(&rule))
}

#[test]
fn every_row_names_code_and_a_test_that_exist() {
    for (table, text) in TABLES {
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with('|') && line.contains("src/"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        assert!(rows.len() > 10, "{table} has lost its rows");
        for row in rows {
            let [section, _, code, test] = row.as_slice() else {
                panic!("{table}: {row:?} has no four cells")
            };
            let code = quoted(code);
            assert!(!code.is_empty(), "{table}: {section} names no code");
            code.iter().for_each(|path| drop(read(path)));
            let test = quoted(test);
            let [file, name] = test.as_slice() else { panic!("{table}: {section} names no test") };
            assert!(is_tested(&read(file), name), "{table}: {section}: {file} has no test {name}");
        }
    }
}

#[test]
fn every_grant_type_has_its_place_where_flows_are_chosen() {
    let (chooser, readme) = (read("src/docs/choose.md"), read("README.md"));
    for grant_type in grantor::protocol::GrantType::ALL {
        assert!(chooser.contains(&format!("`{grant_type}`")), "{grant_type}");
    }
    let headings = chooser.lines().filter(|line| line.starts_with("# ")).count();
    assert_eq!(chooser.matches("```text").count(), headings, "a diagram for each flow");
    for word in ["device authorization", "CIBA", "token exchange", "JWT bearer", "ID-JAG", "password"] {
        assert!(readme.to_lowercase().contains(&word.to_lowercase()), "{word}");
    }
}
