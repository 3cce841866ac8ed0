//! `cargo run --release -p patchbay-identity --example generate -- RECORDS SEED > FILE.csv`

use std::io::{BufWriter, Write as _};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |name: &str| arguments.next().ok_or_else(|| format!("{name} is missing")).map(|it| it.parse::<u64>());
    let (records, seed) = (number("RECORDS")??, number("SEED")??);
    let mut out = BufWriter::new(std::io::stdout().lock());
    patchbay_identity::bench::generate(usize::try_from(records)?, seed, &mut out)?;
    Ok(out.flush()?)
}
