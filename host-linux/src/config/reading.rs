//! One reading of a whole directory: the order of the files, and what comes of them together.

use std::collections::BTreeMap;
use std::path::Path;

use super::authkeys;
use super::cross_checks;
use super::diagnostics::{Diagnostics, Severity};
use super::event_scripts;
use super::ha_cf::HaCf;
use super::haresources;
use super::model::{Configuration, KeyFile, Times};
use super::source::{Secrecy, SourceFile, Span};
use super::system::{FileInfo, System};

/// What a reading gives.
pub(super) struct Reading {
    /// Nothing if a diagnostic is an error.
    pub(super) whole: Option<Whole>,
    pub(super) diagnostics: Diagnostics,
}

/// A configuration with the places that it came from.
pub(super) struct Whole {
    pub(super) configuration: Configuration,
    pub(super) ha_cf: SourceFile,
    pub(super) authkeys: SourceFile,
    pub(super) haresources: SourceFile,
    /// The last value of each directive given.
    pub(super) directives: BTreeMap<&'static str, Span>,
    /// Each medium.
    pub(super) media: Vec<Span>,
    /// Each key.
    pub(super) keys: Vec<Span>,
    /// Each resource of each group.
    pub(super) resources: Vec<Vec<Span>>,
}

/// Reads everything in `directory`.
pub(super) fn read(directory: &Path, system: &dyn System) -> Reading {
    let mut diagnostics = Diagnostics::default();
    let whole = read_into(directory, system, &mut diagnostics);
    Reading { whole: whole.filter(|_| !diagnostics.has_error()), diagnostics }
}

fn read_into(directory: &Path, system: &dyn System, diagnostics: &mut Diagnostics) -> Option<Whole> {
    let this_node = this_node(directory, system, diagnostics);
    let sample = "copy and edit the sample in the documentation";
    let ha_cf_file = open(directory, "ha.cf", sample, Secrecy::FencingParameters, system, diagnostics);
    let ha_cf = ha_cf_file.as_ref().map(|(file, _)| {
        let mut ha_cf = HaCf::read(file, &this_node, system, diagnostics);
        let times = cross_checks::check(&mut ha_cf);
        finish(ha_cf, times, directory)
    });

    let make_keys = "make it with the lines `auth 1` and `1 sha256 SECRET`, the same on all nodes, mode 600";
    let authkeys_file = open(directory, "authkeys", make_keys, Secrecy::Keys, system, diagnostics);
    let keys = authkeys_file
        .as_ref()
        .and_then(|(file, info)| authkeys::read(file, *info, system.effective_user(), diagnostics));

    let make_resources = "make it, the same on all nodes; it may be empty";
    let haresources_file =
        open(directory, "haresources", make_resources, Secrecy::FencingParameters, system, diagnostics);
    let (nodes, pings) = ha_cf.as_ref().map_or((&[][..], &[][..]), |(configuration, _)| {
        (configuration.nodes.as_slice(), configuration.pings.as_slice())
    });
    let groups =
        haresources_file.as_ref().map(|(file, _)| haresources::read(file, nodes, pings, diagnostics));

    let (mut configuration, places) = ha_cf?;
    let keys = keys?;
    configuration.keys = keys.key_file;
    configuration.event_scripts = event_scripts::read(directory, system, diagnostics);
    let (groups, resources) = groups?.into_iter().map(|placed| (placed.group, placed.places)).unzip();
    configuration.groups = groups;
    Some(Whole {
        configuration,
        ha_cf: ha_cf_file?.0,
        authkeys: authkeys_file?.0,
        haresources: haresources_file?.0,
        directives: places.directives,
        media: places.media,
        keys: keys.places,
        resources,
    })
}

/// A file of keys by itself.
pub(super) fn read_keys(path: &Path, system: &dyn System, diagnostics: &mut Diagnostics) -> Option<KeyFile> {
    let remedy = "name a file in the format of authkeys";
    let (file, info) = open_file(path, remedy, Secrecy::Keys, system, diagnostics)?;
    let keys = authkeys::read(&file, info, system.effective_user(), diagnostics)?;
    (!diagnostics.has_error()).then_some(keys.key_file)
}

/// Where things stand in `ha.cf`.
struct Places {
    directives: BTreeMap<&'static str, Span>,
    media: Vec<Span>,
}

/// A configuration that still lacks its keys and groups.
fn finish(ha_cf: HaCf<'_>, times: Times, directory: &Path) -> (Configuration, Places) {
    let (media, places) = ha_cf.media.into_iter().unzip();
    let auto_failback = ha_cf.auto_failback.unwrap_or("legacy");
    let configuration = Configuration {
        directory: directory.to_owned(),
        cluster: ha_cf.cluster,
        this_node: ha_cf.this_node.to_owned(),
        nodes: ha_cf.nodes.into_iter().map(|(node, _)| node).collect(),
        witness: ha_cf.witness.map(|(witness, _)| witness),
        witness_watchdog: ha_cf.witness_watchdog,
        times,
        media,
        pings: ha_cf.pings.into_iter().map(|(ping, _)| ping).collect(),
        auto_failback: auto_failback != "off",
        auto_failback_word: auto_failback.to_owned(),
        stop_failure: ha_cf.stop_failure,
        quorum: ha_cf.quorum,
        limits: ha_cf.limits,
        monitoring: ha_cf.monitoring,
        logging: ha_cf.logging,
        fencing: ha_cf.fencing,
        fence_delay: ha_cf.fence_delay,
        ipfail: ha_cf.ipfail,
        respawn: ha_cf.respawn,
        notify: ha_cf.notify,
        event_scripts: Vec::new(),
        watchdog: ha_cf.watchdog,
        realtime: ha_cf.realtime.then_some(ha_cf.priority),
        environment: ha_cf.environment,
        parameters: ha_cf.parameters,
        keys: KeyFile { signing: 0, keys: Vec::new() },
        groups: Vec::new(),
    };
    (configuration, Places { directives: ha_cf.given, media: places })
}

fn open(
    directory: &Path,
    name: &str,
    remedy: &str,
    secrecy: Secrecy,
    system: &dyn System,
    diagnostics: &mut Diagnostics,
) -> Option<(SourceFile, FileInfo)> {
    open_file(&directory.join(name), remedy, secrecy, system, diagnostics)
}

fn open_file(
    path: &Path,
    remedy: &str,
    secrecy: Secrecy,
    system: &dyn System,
    diagnostics: &mut Diagnostics,
) -> Option<(SourceFile, FileInfo)> {
    match system.read_file(path) {
        Ok((bytes, info)) => Some((SourceFile::new(path, &bytes, secrecy), info)),
        Err(error) => {
            diagnostics.about_file(Severity::Error, path, format!("cannot read the file: {error}"), remedy);
            None
        }
    }
}

/// The first line of `nodeinfo` if there is such a file, else the host name; lower case.
fn this_node(directory: &Path, system: &dyn System, diagnostics: &mut Diagnostics) -> String {
    let path = directory.join("nodeinfo");
    if let Ok((bytes, _)) = system.read_file(&path) {
        let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let name = String::from_utf8_lossy(first_line).trim().to_lowercase();
        if name.is_empty() {
            let remedy = "write the node's name into the first line, or remove the file";
            diagnostics.about_file(Severity::Error, &path, "the first line holds no node name", remedy);
        }
        return name;
    }
    match system.host_name() {
        Ok(name) => name.to_lowercase(),
        Err(error) => {
            let message = format!("the host name is not known: {error}");
            diagnostics.about_file(Severity::Error, &path, message, "write the node's name into this file");
            String::new()
        }
    }
}
