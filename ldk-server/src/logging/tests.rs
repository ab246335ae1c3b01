use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::config::{LogFormat, LogRotation};

const NEVER: LogRotation = LogRotation { max_bytes: None, max_age: None, max_files: 5 };

fn log_in(dir: &TempDir) -> PathBuf {
    dir.path().join("node.log")
}

/// The files that were moved away, the oldest first.
fn moved_away(dir: &TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| *path != log_in(dir));
    paths.sort();
    paths
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_full_file_is_moved_away_and_nothing_is_lost() {
    let dir = TempDir::new().unwrap();
    let rotation = LogRotation { max_bytes: Some(10), max_files: 100, ..NEVER };
    let log = LogFile::open(log_in(&dir), rotation).unwrap();
    // Many in one second; two lines fit into a file, and one that is too long has its own.
    let lines: Vec<_> = (0..20).map(|n| format!("n {n:02}\n")).collect();
    for line in &lines {
        log.write(line.as_bytes()).unwrap();
    }
    log.write(b"a line too long\n").unwrap();
    let moved = moved_away(&dir);
    assert_eq!(moved.len(), 10);
    let mut all: Vec<_> = moved.iter().map(|path| text(path)).collect();
    assert!(all.iter().all(|text| text.len() == 10), "{all:?}");
    all.push(text(&log_in(&dir)));
    assert_eq!(all.concat(), lines.concat() + "a line too long\n");
    let name = moved[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("node.log.20") && name.ends_with('Z'), "{name}");
    assert_eq!(name.len(), "node.log.2026-01-02T03-04-05Z".len());
}

#[test]
fn the_newest_files_are_kept_and_others_left_alone() {
    let dir = TempDir::new().unwrap();
    let others = ["node.log.1", "node.log.2020-01-02T03-04-05Z.gz", "other.log"];
    let old = ["node.log.2020-01-02T03-04-05Z", "node.log.2021-01-02T03-04-05Z"];
    for name in others.iter().chain(&old) {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let rotation = LogRotation { max_bytes: Some(1), max_files: 2, ..NEVER };
    let log = LogFile::open(log_in(&dir), rotation).unwrap();
    log.write(b"1\n").unwrap();
    log.write(b"2\n").unwrap();
    let moved = moved_away(&dir);
    assert!(!dir.path().join(old[0]).exists());
    assert!(dir.path().join(old[1]).exists());
    assert!(others.iter().all(|name| dir.path().join(name).exists()), "{moved:?}");
    assert_eq!(moved.len(), others.len() + 2);
    log.write(b"3\n").unwrap();
    assert!(!dir.path().join(old[1]).exists());
    assert_eq!(text(&log_in(&dir)), "3\n");
}

#[test]
fn no_file_is_kept_if_none_may_be() {
    let dir = TempDir::new().unwrap();
    let rotation = LogRotation { max_bytes: Some(1), max_files: 0, ..NEVER };
    let log = LogFile::open(log_in(&dir), rotation).unwrap();
    for line in ["1\n", "2\n"] {
        log.write(line.as_bytes()).unwrap();
    }
    assert_eq!((moved_away(&dir), text(&log_in(&dir))), (vec![], "2\n".to_owned()));
}

#[test]
fn an_old_file_is_moved_away_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    fs::write(log_in(&dir), "before\n").unwrap();
    let hour = LogRotation { max_age: Some(Duration::from_secs(3_600)), ..NEVER };
    LogFile::open(log_in(&dir), hour).unwrap().write(b"young\n").unwrap();
    assert_eq!(moved_away(&dir), Vec::<PathBuf>::new());
    let at_once = LogRotation { max_age: Some(Duration::ZERO), ..NEVER };
    LogFile::open(log_in(&dir), at_once).unwrap().write(b"after\n").unwrap();
    let moved = moved_away(&dir);
    assert_eq!(moved.len(), 1);
    assert_eq!(text(&moved[0]), "before\nyoung\n");
    assert_eq!(text(&log_in(&dir)), "after\n");
}

#[test]
fn a_file_that_somebody_moved_away_is_not_missed() {
    let dir = TempDir::new().unwrap();
    let rotation = LogRotation { max_bytes: Some(1), ..NEVER };
    let log = LogFile::open(log_in(&dir), rotation).unwrap();
    log.write(b"1\n").unwrap();
    fs::rename(log_in(&dir), dir.path().join("mine")).unwrap();
    log.write(b"2\n").unwrap();
    assert_eq!((moved_away(&dir).len(), text(&log_in(&dir))), (1, "2\n".to_owned()));
    fs::rename(log_in(&dir), dir.path().join("mine too")).unwrap();
    log.reopen().unwrap();
    assert_eq!(text(&log_in(&dir)), "");
}

#[test]
fn a_file_that_cannot_be_removed_does_not_keep_a_new_one_from_being_begun() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("node.log.2020-01-02T03-04-05Z")).unwrap();
    let rotation = LogRotation { max_bytes: Some(1), max_files: 1, ..NEVER };
    let log = LogFile::open(log_in(&dir), rotation).unwrap();
    log.write(b"1\n").unwrap();
    log.write(b"2\n").unwrap();
    assert_eq!((moved_away(&dir).len(), text(&log_in(&dir))), (2, "2\n".to_owned()));
}

#[test]
fn a_directory_that_is_gone_stops_nothing() {
    let dir = TempDir::new().unwrap();
    let rotation = LogRotation { max_bytes: Some(1), ..NEVER };
    let log = LogFile::open(log_in(&dir), rotation).unwrap();
    log.write(b"1\n").unwrap();
    fs::remove_dir_all(dir.path()).unwrap();
    for line in ["2\n", "3\n"] {
        log.write(line.as_bytes()).unwrap();
    }
    assert!(log.reopen().is_err());
}

/// What a subscriber with this configuration writes into its file.
fn written(format: LogFormat, targets: &[(&str, log::LevelFilter)], events: impl Fn()) -> String {
    written_at(log::LevelFilter::Trace, format, targets, events)
}

fn written_at(
    file_level: log::LevelFilter,
    format: LogFormat,
    targets: &[(&str, log::LevelFilter)],
    events: impl Fn(),
) -> String {
    let dir = TempDir::new().unwrap();
    let config = LogConfig {
        level: log::LevelFilter::Info,
        file_level,
        targets: targets.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect(),
        format,
        file: None,
        rotation: NEVER,
    };
    let sinks = Sinks::open(Some(LogFile::open(log_in(&dir), NEVER).unwrap())).unwrap();
    let sinks = Arc::new(sinks);
    let file_level = level_filter(config.file_level);
    let lines = Lines { redactor: Redactor::default(), sinks: Arc::clone(&sinks), file_level };
    let layer = tracing_subscriber::fmt::layer().event_format(Line::new(format)).with_writer(lines);
    let subscriber =
        tracing_subscriber::registry().with(super::targets(&config)).with(Spans).with(layer);
    tracing::subscriber::with_default(subscriber, events);
    sinks.flush(Duration::from_secs(30));
    text(&log_in(&dir))
}

#[test]
fn the_file_may_get_less_than_the_console() {
    let events = || {
        tracing::info!("for both");
        tracing::debug!("for the console");
    };
    let debug = [("ldk_server", log::LevelFilter::Debug)];
    let text = written_at(log::LevelFilter::Info, LogFormat::Text, &debug, events);
    assert!(text.contains("for both") && !text.contains("for the console"), "{text}");
    assert!(written(LogFormat::Text, &debug, events).contains("for the console"));
}

#[test]
fn a_line_of_json_is_one_object() {
    let text = written(LogFormat::Json, &[], || {
        tracing::warn!(count = 3, ok = true, name = "a \"b\"", "two\nlines {}", "preimage");
        log_record();
    });
    let [first, second]: [Value; 2] = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(first["level"], "WARN");
    assert_eq!(first["target"], module_path!());
    assert_eq!(first["message"], "two\nlines preimage");
    assert_eq!(first["fields"], json!({ "count": 3, "ok": true, "name": "a \"b\"" }));
    assert!(first["line"].as_u64().unwrap() > 0);
    let timestamp = first["timestamp"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(timestamp).is_ok(), "{timestamp}");
    assert_eq!((&second["target"], &second["line"]), (&json!("lightning::ln"), &json!(7)));
    assert_eq!(second["message"], format!("preimage {}", "*".repeat(64)));
    assert_eq!(second.get("fields"), None);
}

#[test]
fn a_line_tells_for_which_call_it_was_written() {
    let events = || {
        let span = tracing::error_span!(
            "call",
            request_id = %"1f3a",
            method = "GetNodeInfo",
            caller = tracing::field::Empty,
        );
        span.in_scope(|| tracing::info!("begins"));
        span.record("caller", "api-key");
        span.in_scope(|| tracing::info!(count = 3, "goes on"));
        tracing::info!("is for none");
    };
    let text = written(LogFormat::Text, &[], events);
    let messages: Vec<_> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
    assert_eq!(messages, ["request 1f3a begins", "request 1f3a goes on count=3", "is for none"]);
    let json = written(LogFormat::Json, &[], events);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["call"], json!({ "request_id": "1f3a", "method": "GetNodeInfo" }));
    assert_eq!(lines[1]["call"]["caller"], "api-key");
    assert_eq!(lines[1]["message"], "request 1f3a goes on");
    assert_eq!(lines[1]["fields"], json!({ "count": 3 }));
    assert_eq!(lines[2].get("call"), None);
}

#[test]
fn a_line_of_text_is_that_of_the_contract() {
    let text = written(LogFormat::Text, &[], log_record);
    let (time, rest) = text.split_once(' ').unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time.trim_start_matches('[')).is_ok(), "{text}");
    assert_eq!(rest, format!("INFO  lightning::ln:7] preimage {}\n", "*".repeat(64)));
}

#[test]
fn text_of_strangers_stays_in_its_line() {
    let text = "nice\u{1b}[2J\u{9b}\u{202e}\n[2026-01-01 ERROR x:1] forged नी\u{200d}क";
    let log = || tracing::info!(note = text, "says {text}");
    let lines = written(LogFormat::Text, &[], log);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    for harmful in ['\u{1b}', '\u{9b}', '\u{202e}'] {
        assert!(!lines.contains(harmful), "{lines}");
    }
    assert!(lines.contains("\\u202e\\n[2026-01-01 ERROR x:1] forged नी\u{200d}क"), "{lines}");
    let json = written(LogFormat::Json, &[], log);
    assert!(!json.contains('\u{202e}') && !json.contains('\u{9b}'), "{json}");
    let object: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["fields"]["note"], text);
}

/// As the node library writes its lines.
fn log_record() {
    let preimage = "ab".repeat(32);
    tracing_log::format_trace(
        &log::Record::builder()
            .level(log::Level::Info)
            .target("lightning::ln")
            .line(Some(7))
            .args(format_args!("preimage {preimage}"))
            .build(),
    )
    .unwrap();
}

#[test]
fn a_target_has_its_own_level() {
    use log::LevelFilter::{Off, Trace, Warn};
    let targets = [("lightning", Warn), ("lightning::chain", Trace), ("h2", Trace), ("bdk", Off)];
    let text = written(LogFormat::Text, &targets, || {
        tracing::info!(target: "lightning::ln", "no");
        tracing::warn!(target: "lightning::ln", "one");
        tracing::trace!(target: "lightning::chain::channelmonitor", "two");
        tracing::trace!(target: "h2::codec", "three");
        tracing::info!(target: "ldk_node", "four");
        tracing::error!(target: "bdk_wallet", "no");
        tracing::debug!("no");
    });
    let messages: Vec<_> =
        text.lines().map(|line| line.rsplit_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(messages, ["one", "two", "three", "four"]);
}
