//! The manual pages in `docs/man`. Those of tables are made here, of the tables themselves and of the texts in this
//! folder; `HEARTLINE_RECORD=1`, or `cargo xtask man`, writes them anew. Of the others it is checked that they name
//! everything that the program knows.

mod ha_cf;
mod heartline;
mod roff;

use std::fs;
use std::path::{Path, PathBuf};

use ::heartline::config::directives::DIRECTIVES;

type Page = fn() -> String;

const MADE: [(&str, Page); 2] = [("heartline.8", heartline::page), ("ha.cf.5", ha_cf::page)];

fn place(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man").join(page)
}

fn written(page: &str) -> String {
    fs::read_to_string(place(page)).unwrap_or_default()
}

/// Sections of a text: `# Heading`, paragraphs, and `:: tag` before what is tagged.
fn prose(text: &str) -> String {
    let mut page = String::new();
    for part in text.split("\n# ").map(|part| part.trim_start_matches("# ")) {
        let (title, body) = part.split_once('\n').unwrap_or((part, ""));
        page += &roff::section(title);
        for (at, block) in body.split("\n:: ").enumerate() {
            let (tag, rest) = match block.strip_prefix(":: ") {
                Some(tagged) => tagged.split_once('\n').unwrap_or((tagged, "")),
                None if at > 0 => block.split_once('\n').unwrap_or((block, "")),
                None => ("", block),
            };
            if rest.trim().is_empty() {
                continue;
            }
            page += &if tag.is_empty() { roff::paragraphs(rest) } else { roff::item(tag, rest) };
        }
    }
    page
}

#[test]
fn the_pages_say_what_the_tables_say() {
    for (name, page) in MADE {
        let page = page();
        if std::env::var_os("HEARTLINE_RECORD").is_some() {
            fs::write(place(name), &page).unwrap();
        }
        assert!(written(name) == page, "docs/man/{name} is out of date: run `cargo xtask man`");
    }
}

#[test]
fn texts_are_of_directives_that_exist() {
    for text in ha_cf::texts() {
        let known = DIRECTIVES.iter().any(|directive| directive.name == text.name);
        assert!(known, "directives.txt speaks of `{}`, which is no directive", text.name);
    }
}

#[test]
fn every_subcommand_of_cl_status_is_explained() {
    let usage = include_str!("../../src/cli/cl_status/usage.txt");
    let after = usage.split("Sub-commands:\n").nth(1).unwrap();
    let names = after.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let page = written("cl_status.1");
    for name in names.map(|line| line.split(' ').next().unwrap()) {
        let tagged =
            [".B", ".BR", ".BI", ".BI \""].iter().any(|tag| page.contains(&format!("\n.TP\n{tag} {name}")));
        assert!(tagged || page.contains(&format!("\n.BI \"{name}")), "{name}");
    }
}

#[test]
fn every_built_in_agent_and_every_method_is_explained() {
    let haresources = written("haresources.5");
    for agent in ::heartline::agents::BUILTIN {
        assert!(haresources.contains(agent), "{agent}");
    }
    let authkeys = written("authkeys.5");
    for method in ["crc", "md5", "sha1", "sha256"] {
        assert!(authkeys.contains(&format!("\n.B {method}\n")), "{method}");
    }
}

#[test]
fn every_page_has_its_head_and_says_where_to_look_next() {
    let pages = [
        "heartline.8",
        "ha.cf.5",
        "authkeys.5",
        "haresources.5",
        "cl_status.1",
        "hb_standby.1",
        "hb_takeover.1",
    ];
    for name in pages {
        let (page, (title, section)) = (written(name), name.rsplit_once('.').unwrap());
        let head = format!(".TH {} {section} ", title.to_uppercase());
        assert!(page.contains(&head), "{name}");
        for heading in ["NAME", "DESCRIPTION", "SEE ALSO"] {
            assert!(page.contains(&format!("\n.SH {heading}\n")), "{name}: {heading}");
        }
        for line in page.lines() {
            assert!(
                !line.contains('`') || line.starts_with(".\\\""),
                "{name}: markup is left over in {line}"
            );
        }
    }
}
