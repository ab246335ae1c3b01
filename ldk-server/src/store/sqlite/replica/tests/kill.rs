//! A process with a mirror, killed again and again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use super::{commits, find, level, open, write};

/// Where the process that is killed has its database and its mirror.
const DIR: &str = "LDK_SERVER_TEST_KILLED_MIRROR";
const KILLS: u32 = 6;
const WRITERS: u64 = 3;
/// How late a commit may be in the mirror: a second, and what a machine that does other work may add.
const LATENESS: Duration = Duration::from_secs(2);

/// Is killed, if it is the process for that: writes, and says what it has written.
#[test]
fn the_process_that_is_killed() {
    let Some(dir) = env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let store = open(&dir.join("node"));
    store.mirror_to(&dir.join("mirror")).unwrap();
    level(&store);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for number in 0.. {
                    write(store, &writer.to_string(), number);
                    let told = writeln!(std::io::stdout(), "\ncommits {}", commits(store));
                    if told.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

#[test]
fn it_has_what_was_committed_a_moment_ago() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("node")).unwrap();
    for turn in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                concat!(module_path!(), "::the_process_that_is_killed")
                    .trim_start_matches("ldk_server::"),
            ])
            .arg("--nocapture")
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told: Vec<(Instant, u64)> = Vec::new();
        let mut killed_at = None;
        for line in lines.map_while(Result::ok) {
            let Some(commits) = line.strip_prefix("commits ") else {
                continue;
            };
            told.push((Instant::now(), commits.parse().unwrap()));
            let after = LATENESS + Duration::from_millis(u64::from(turn) * 137);
            if killed_at.is_none() && told[0].0.elapsed() > after {
                child.kill().unwrap();
                killed_at = Some(Instant::now());
            }
        }
        child.wait().unwrap();
        let until = killed_at.unwrap() - LATENESS;
        let before = told.iter().filter(|(at, _)| *at <= until).map(|(_, commits)| *commits);
        let (least, found) = (before.max().unwrap(), find(&dir.path().join("mirror")).unwrap());
        // Another commit of each writer may not have been told of.
        let most = told.iter().map(|(_, commits)| *commits).max().unwrap() + 2 * WRITERS;
        assert!(
            (least..=most).contains(&found.epoch.commits),
            "{least}, {most}, {:?}",
            found.epoch
        );
    }
}
