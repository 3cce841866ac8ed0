//! `connector test --record` for what is no HTTP: dialogues over sockets and frames of streams, without secrets and without people.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use patchbay_tests::files::{self, Folder};
use patchbay_tests::line::LineServer;

const PASSWORD: &str = "password-of-the-live-vendor";
const MAIL: &str = "From: Boris Ivanov <boris@mail.ru>\r\nTo: sales@patchbay.example\r\nSubject: Price\r\nDate: Sat, 14 Mar 2026 09:26:53 +0000\r\n\
                    Message-ID: <m4@mail.ru>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPlease call +79120001122 or write to boris@mail.ru.\r\n";
const CALL: &str = "Event: Newchannel\r\nTimestamp: 1782000000.100\r\nChannel: PJSIP/trunk-00000001\r\nChannelStateDesc: Ring\r\n\
                    CallerIDNum: +79120001122\r\nCallerIDName: Boris Ivanov\r\nContext: from-trunk\r\nExten: 100\r\nUniqueid: 17.1\r\nLinkedid: 17.1\r\n\r\n";

fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::outside();
    std::fs::create_dir(folder.path().join("fixtures")).expect("a new folder can be written");
    for (name, text) in files {
        std::fs::write(folder.path().join("fixtures").join(name), text).expect("a new file");
    }
    folder
}

/// Records against the live vendor, then plays what was recorded: that fails where the two differ.
fn recorded(folder: &Path, connector: &str, options: &[&str]) {
    let test = |options: &[&str]| {
        let mut command = Command::new(files::program());
        command.args(["connector", "test", "--case", "live", "--wasm"]).arg(files::connector(connector)).args(options).arg(folder);
        let output = command.current_dir(files::target()).env("PATCHBAY_SECRET_PASSWORD", PASSWORD).output().expect("the program starts");
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    };
    test(&[&["--record", "--update", "--allow-network", "127.0.0.1"], options].concat());
    test(&[]);
}

fn read(folder: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(folder.join("fixtures").join(name)).expect(name);
    for private in [PASSWORD, "oris", "Ivanov", "0001122"] {
        assert!(!text.contains(private), "{name} has {private}: {text}");
    }
    text
}

/// A mail server with one letter. What it says to a login has the secret in it, as no server should.
fn mail_server() -> LineServer {
    LineServer::start(|stream| {
        let mut out = &stream;
        let mut say = |text: String| out.write_all(format!("{text}\r\n").as_bytes()).is_ok();
        say("* OK ready".to_owned());
        for line in BufReader::new(&stream).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let tag = words[0];
            let answer = match words[1] {
                "CAPABILITY" => "* CAPABILITY IMAP4rev1 SASL-IR IDLE AUTH=PLAIN\r\n".to_owned(),
                "AUTHENTICATE" => format!("* OK you said {}\r\n", words[3]),
                "EXAMINE" => "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 5] next\r\n".to_owned(),
                "UID" if words[2] == "SEARCH" => "* SEARCH 4\r\n".to_owned(),
                "UID" => format!("* 1 FETCH (UID 4 BODY[]<0> {{{}}}\r\n{MAIL})\r\n", MAIL.len()),
                "IDLE" => "+ idling\r\n".to_owned(),
                _ => String::new(),
            };
            if !say(format!("{answer}{tag} OK done")) {
                return;
            }
        }
    })
}

#[test]
fn a_dialogue_is_recorded_as_it_can_be_played_without_its_secret_and_without_people() {
    let config = "[config]\naddress = \"sales@patchbay.example\"\nusername = \"sales\"\nimap = \"tls://imap.patchbay.example:993\"\n";
    let folder = folder(&[("case.toml", config), ("live.poll.json", "{ \"cursor\": \"7:3\", \"limit\": 5 }")]);
    let server = mail_server();
    recorded(folder.path(), "email", &["--set", &format!("imap=tcp://{}", server.address())]);
    let cassette = read(folder.path(), "live.cassette.json");
    assert!(cassette.contains("C: p2 AUTHENTICATE PLAIN {sasl_plain}"), "{cassette}");
    assert!(cassette.contains(&format!("{{{}}}", MAIL.len())), "the letter is as long as it was: {cassette}");
    let expected = read(folder.path(), "live.expect.json");
    assert!(expected.contains("\"Price\"") && expected.contains("@example.com"), "the letter was read: {expected}");
}

fn telephone_system(stream: &TcpStream) -> std::io::Result<()> {
    let (mut out, mut secret) = (stream, String::new());
    out.write_all(b"Asterisk Call Manager/11.0.0\r\n")?;
    let mut id = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        match line.split_once(": ") {
            Some(("ActionID", it)) => it.clone_into(&mut id),
            Some(("Secret", it)) => it.clone_into(&mut secret),
            None if line.is_empty() && id == "patchbay-login" => {
                write!(out, "Response: Success\r\nActionID: {id}\r\nMessage: Authentication accepted by {secret}\r\n\r\n")?;
                out.write_all(CALL.as_bytes())?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn frames_of_a_stream_become_a_case_of_their_own_without_its_secret_and_without_people() {
    let config = "[config]\ninterface = \"ami\"\nurl = \"tls://pbx.example:5039\"\nusername = \"hub\"\n";
    let folder = folder(&[("case.toml", config), ("live.opened.json", "{}")]);
    let server = LineServer::start(|stream| drop(telephone_system(&stream)));
    recorded(folder.path(), "asterisk", &["--for", "2", "--set", &format!("url=tcp://{}", server.address())]);
    let frames = read(folder.path(), "live-heard.ami");
    assert!(frames.contains("Newchannel") && frames.contains("[redacted]") && frames.contains("Exten: 100"), "{frames}");
    let expected = read(folder.path(), "live-heard.expect.json");
    assert!(expected.contains("call:17.1:appeared"), "the call was read: {expected}");
}
