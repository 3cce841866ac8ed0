//! SMTP submission (RFC 6409): greet, begin TLS, log in, hand over one mail.

use patchbay_sdk::Failure;
use patchbay_sdk::socket::Part;

use crate::config::{Config, Login};
use crate::imap::Wire;

const ANSWER_MS: u32 = 60_000;
/// Most bytes of a mail that are handed to the host at once.
const PIECE: usize = 64 << 10;

/// A server's answer.
struct Answer {
    code: u16,
    lines: Vec<String>,
}

/// Greets and logs in: what [`send`] needs first.
pub fn open<W: Wire>(wire: &mut W, config: &Config) -> Result<(), Failure> {
    wire.wait(ANSWER_MS);
    expect(&answer(wire)?, 220, "smtp.greeting")?;
    let mut offers = hello(wire, config)?;
    if config.smtp_starttls {
        say(wire, "STARTTLS")?;
        expect(&answer(wire)?, 220, "smtp.starttls")?;
        wire.start_tls()?;
        offers = hello(wire, config)?;
    }
    log_in(wire, config, &offers)
}

/// Hands a mail over. A refusal for good says so.
pub fn send<W: Wire>(wire: &mut W, from: &str, to: &str, mail: &[u8]) -> Result<(), Failure> {
    for (command, code) in [(format!("MAIL FROM:<{from}>"), "smtp.sender"), (format!("RCPT TO:<{to}>"), "smtp.recipient")] {
        say(wire, &command)?;
        expect(&answer(wire)?, 250, code)?;
    }
    say(wire, "DATA")?;
    expect(&answer(wire)?, 354, "smtp.data")?;
    // In pieces: what is handed to the host is in memory once more.
    let body = dotted(mail);
    let (begins, rest) = body.split_at(body.len().saturating_sub(1) / PIECE * PIECE);
    for piece in begins.chunks(PIECE) {
        wire.send(&[Part::Bytes(piece)])?;
    }
    wire.send(&[Part::Bytes(rest), Part::Text(".\r\n")])?;
    expect(&answer(wire)?, 250, "smtp.mail")
}

/// Says goodbye; whether the server heard it does not matter.
pub fn close<W: Wire>(wire: &mut W) {
    if say(wire, "QUIT").is_ok() {
        drop(answer(wire));
    }
}

fn hello<W: Wire>(wire: &mut W, config: &Config) -> Result<Vec<String>, Failure> {
    // Our own name is known to nobody outside; the mail box's domain offends the fewest servers.
    let domain = config.address.rsplit('@').next().unwrap_or("localhost");
    say(wire, &format!("EHLO {domain}"))?;
    let answer = answer(wire)?;
    let lines = answer.lines.iter().map(|it| it.to_ascii_uppercase()).collect();
    expect(&answer, 250, "smtp.hello")?;
    Ok(lines)
}

fn log_in<W: Wire>(wire: &mut W, config: &Config, offers: &[String]) -> Result<(), Failure> {
    if config.login == Login::Nothing {
        return Ok(());
    }
    let ways = offers.iter().find_map(|it| it.strip_prefix("AUTH")).unwrap_or_default();
    let can = |way: &str| ways.split([' ', '=']).any(|it| it == way);
    if let Some((mechanism, secret)) = config.login.by_token(can) {
        wire.send(&[Part::Text(&["AUTH ", mechanism, " "].concat()), Part::Secret(secret), Part::Text("\r\n")])?;
    } else if can("PLAIN") {
        wire.send(&[Part::Text("AUTH PLAIN "), Part::Secret("sasl_plain"), Part::Text("\r\n")])?;
    } else if can("LOGIN") {
        for secret in ["username_base64", "password_base64"] {
            if secret.starts_with('u') {
                say(wire, "AUTH LOGIN")?;
                expect(&answer(wire)?, 334, "smtp.login")?;
            }
            wire.send(&[Part::Secret(secret), Part::Text("\r\n")])?;
            if secret.starts_with('u') {
                expect(&answer(wire)?, 334, "smtp.login")?;
            }
        }
    } else {
        return Err(Failure::never(
            "smtp.login",
            "the server offers no way to log in that is known here: PLAIN, LOGIN, XOAUTH2 (login = none: it asks for nothing)",
        ));
    }
    let mut ended = answer(wire)?;
    // A refused token is explained first, and wants an empty line before the refusal itself.
    if ended.code == 334 {
        say(wire, "")?;
        ended = answer(wire)?;
    }
    match ended.code {
        235 => Ok(()),
        530 | 534 | 535 | 538 => {
            Err(Failure::reauthorise("smtp.login", format!("the server refuses the login: {}", ended.lines.join(" "))))
        }
        _ => expect(&ended, 235, "smtp.login"),
    }
}

fn say<W: Wire>(wire: &mut W, line: &str) -> Result<(), Failure> {
    wire.send(&[Part::Text(line), Part::Text("\r\n")])
}

fn answer<W: Wire>(wire: &mut W) -> Result<Answer, Failure> {
    let mut lines = Vec::new();
    loop {
        let line = String::from_utf8_lossy(&wire.line()?).into_owned();
        let code = line.get(..3).and_then(|it| it.parse::<u16>().ok());
        let code = code.ok_or_else(|| Failure::later("smtp.answer", "the server does not answer as an SMTP server"))?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(Answer { code, lines });
        }
    }
}

/// A code of the same hundred is as good; 4xx passes, 5xx does not.
fn expect(answer: &Answer, wanted: u16, code: &str) -> Result<(), Failure> {
    let said = format!("{} {}", answer.code, answer.lines.join(" "));
    match answer.code {
        it if it / 100 == wanted / 100 => Ok(()),
        530 | 535 => Err(Failure::reauthorise(code, said)),
        500..=599 => Err(Failure::never(code, said)),
        _ => Err(Failure::later(code, said)),
    }
}

/// With a dot before each line that begins with one (RFC 5321, section 4.5.2), and a line break at the end.
fn dotted(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 16);
    for line in mail.split_inclusive(|it| *it == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}
