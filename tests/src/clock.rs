//! The machine's clock as hubs under test see it. What they ask for the time is `clock.c`, which stands before the C library: so a test puts their
//! clock back and forward, and nobody else's.

use std::path::PathBuf;
use std::process::Command;

use crate::files;

/// A clock that a test moves.
#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// A clock that is right.
    #[must_use]
    pub fn new() -> Self {
        let place = files::target().join(format!("tests/clock-{}", files::unique_name()));
        std::fs::create_dir_all(files::target().join("tests")).expect("the target folder can be written");
        let (library, offset) = (place.with_extension("so"), place.with_extension("seconds"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clock.c");
        let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", source, "-o"]).arg(&library).status();
        assert!(made.is_ok_and(|it| it.success()), "cc could not compile {source}");
        let clock = Self { library, offset };
        clock.put_ahead(0);
        clock
    }

    /// From now on it is ahead of the machine's by so many seconds; less than zero: behind.
    pub fn put_ahead(&self, seconds: i64) {
        let new = self.offset.with_extension("new");
        std::fs::write(&new, seconds.to_string()).expect("the target folder can be written");
        // In one step: nobody may read half of it.
        std::fs::rename(&new, &self.offset).expect("the target folder can be written");
    }

    /// Has a program see it.
    pub fn show(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("TEST_CLOCK", &self.offset);
    }

    /// Removes its files. Programs that see it go on with the machine's own.
    pub fn remove(&self) {
        for file in [&self.library, &self.offset] {
            std::fs::remove_file(file).expect("it is there");
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
