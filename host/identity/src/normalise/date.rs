//! Days of birth.

/// A day as eight digits, year first, of which a part may be impossible: people and forms mistype it.
///
/// Reads `1985-03-12`, `19850312`, `12.03.1985`, `12/03/1985`, and with a month above twelve in the middle `03/13/1985`.
#[must_use]
pub fn birth_date(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.split(['T', ' ']).next().unwrap_or(text);
    let parts: Vec<&str> = text.split(['-', '.', '/']).filter(|it| !it.is_empty()).collect();
    if parts.iter().any(|it| !it.bytes().all(|digit| digit.is_ascii_digit())) {
        return None;
    }
    let number = |it: &str| it.parse::<u32>().ok();
    let (year, month, day) = match parts.as_slice() {
        [one] if one.len() == 8 => return Some((*one).to_owned()),
        [year, month, day] if year.len() == 4 && month.len() <= 2 && day.len() <= 2 => (number(year)?, number(month)?, number(day)?),
        [day, month, year] if year.len() == 4 && month.len() <= 2 && day.len() <= 2 => {
            let (day, month) = (number(day)?, number(month)?);
            if month > 12 && day <= 12 { (number(year)?, day, month) } else { (number(year)?, month, day) }
        }
        _ => return None,
    };
    Some(format!("{year:04}{month:02}{day:02}"))
}

/// Days since some day long ago, months taken for 30.44 days each: near enough to tell how far two dates are apart.
#[must_use]
pub fn days(date: &str) -> i64 {
    let part = |from: usize, to: usize| date.get(from..to).and_then(|it| it.parse::<i64>().ok()).unwrap_or(0);
    part(0, 4) * 365 + part(4, 6) * 3044 / 100 + part(6, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_in_every_order() {
        for written in ["1985-03-12", "19850312", "12.03.1985", "12/3/1985", "1985/3/12", "1985-03-12T00:00:00Z"] {
            assert_eq!(birth_date(written).as_deref(), Some("19850312"), "{written}");
        }
        assert_eq!(birth_date("03/13/1985").as_deref(), Some("19850313"));
        for written in ["", "1985", "yesterday", "12.03.85", "1985-03"] {
            assert_eq!(birth_date(written), None, "{written}");
        }
    }
}
