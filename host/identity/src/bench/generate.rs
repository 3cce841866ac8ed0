//! Channel traffic of made-up people, of whom it is known who is who. One seed gives one file.
//!
//! Russian, Latin and mixed-script people, several phones, messengers without phones, typos, transliteration, short forms, married names, families on
//! one phone, switchboards, namesakes in one city.

use std::io::Write;

use super::words::{CITIES, ENGLISH, Form, LATIN_SURNAMES, MEN, SURNAMES, WOMEN, latin};

/// `SplitMix64`: the same numbers for the same seed, for ever.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most.max(1) as u64).unwrap_or(0)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    /// A place in a list whose first entries are the commonest, as names are.
    fn common(&mut self, len: usize) -> usize {
        self.below(len).min(self.below(len))
    }
}

#[derive(Debug, Clone)]
struct Person {
    given: Form,
    surname: String,
    maiden: Option<String>,
    woman: bool,
    latin: bool,
    phones: Vec<String>,
    email: Option<String>,
    telegram: u64,
    city: &'static str,
    birth: String,
    company: Option<usize>,
}

/// Writes about `records` records of traffic as a labelled file.
pub fn generate(records: usize, seed: u64, out: &mut impl Write) -> std::io::Result<()> {
    let mut dice = Dice(seed);
    writeln!(out, "record_id,cluster_id,given_name,surname,full_name,phone,email,messenger_id,city,birth_date,company")?;
    let (mut written, mut person) = (0, 0);
    while written < records {
        let first = person + 1;
        let family = household(&mut dice, person);
        if let [owner, _, ..] = family.as_slice() {
            // The phone's owner is known by name.
            written += 1;
            writeln!(out, "r{written},p{first},{},{},,{},,,,,", owner.given.full, owner.surname, owner.phones[0])?;
        }
        for it in &family {
            person += 1;
            for line in traffic(&mut dice, it) {
                written += 1;
                // Nobody can know who of a family calls and says no name: it is taken for the phone's owner.
                let shared = line[3].len() >= 7 && family[0].phones[0].ends_with(&line[3].replace([' ', '-', '(', ')'], "")[1..]);
                let nameless = line[..3].iter().all(String::is_empty) && family.len() > 1 && shared;
                writeln!(out, "r{written},p{},{}", if nameless { first } else { person }, line.join(","))?;
            }
        }
    }
    Ok(())
}

/// One person, or a family on one phone.
fn household(dice: &mut Dice, number: usize) -> Vec<Person> {
    let first = one(dice, number);
    let mut all = vec![first.clone()];
    if dice.chance(8) {
        for at in 0..=dice.below(2) {
            let mut other = one(dice, number + at + 1);
            if other.latin == first.latin {
                other.surname = turn(&stem(&first.surname), other.woman && !other.latin);
                other.maiden = None;
            }
            while all.iter().any(|it| it.given.full == other.given.full) {
                other.given = given(dice, other.woman, other.latin);
            }
            other.city = first.city;
            // The family's phone, and mostly none of their own.
            other.phones.insert(0, first.phones[0].clone());
            other.phones.truncate(if dice.chance(30) { 2 } else { 1 });
            all.push(other);
        }
    }
    all
}

fn given(dice: &mut Dice, woman: bool, latin: bool) -> Form {
    let list = if latin {
        ENGLISH
    } else if woman {
        WOMEN
    } else {
        MEN
    };
    list[dice.common(list.len())]
}

fn one(dice: &mut Dice, number: usize) -> Person {
    let latin_person = dice.chance(20);
    let woman = dice.chance(50);
    let given = given(dice, woman, latin_person);
    let stem = if latin_person { LATIN_SURNAMES[dice.common(LATIN_SURNAMES.len())].to_owned() } else { surname(dice) };
    let surname = turn(&stem, woman && !latin_person);
    let maiden = (woman && dice.chance(4))
        .then(|| if latin_person { LATIN_SURNAMES[dice.below(LATIN_SURNAMES.len())].to_owned() } else { turn(&self::surname(dice), true) });
    let phones = (0..=usize::from(dice.chance(15))).map(|_| phone(dice, latin_person)).collect();
    let email = dice.chance(60).then(|| address(dice, &given, &surname, number));
    let birth = format!("{}-{:02}-{:02}", 1950 + dice.below(55), 1 + dice.below(12), 1 + dice.below(28));
    let company = dice.chance(6).then(|| dice.below(400));
    Person {
        given,
        surname,
        maiden,
        woman,
        latin: latin_person,
        phones,
        email,
        telegram: dice.roll() % 9_000_000_000,
        city: CITIES[dice.common(CITIES.len())],
        birth,
        company,
    }
}

/// How made-up surnames begin.
const STARTS: &[&str] = &[
    "Бел", "Чер", "Крас", "Зим", "Вет", "Гор", "Дуб", "Ерм", "Жил", "Зай", "Кал", "Лук", "Мал", "Нос", "Остр", "Пан", "Руд", "Сав", "Тар",
    "Уш", "Фил", "Хар", "Цар", "Шев", "Щук", "Юд", "Як",
];
/// How they go on.
const MIDDLES: &[&str] = &["", "ан", "ен", "ар", "ил", "ол", "ут", "аш", "еч", "ыш", "онт", "агин", "ост", "ерб", "икар", "ач", "упн"];
/// How they end.
const ENDS: &[&str] = &["ов", "ев", "ин", "ский"];

/// A surname of many: a common one, or one made of two parts.
fn surname(dice: &mut Dice) -> String {
    if dice.chance(40) {
        return SURNAMES[dice.common(SURNAMES.len())].to_owned();
    }
    format!("{}{}{}", STARTS[dice.below(STARTS.len())], MIDDLES[dice.below(MIDDLES.len())], ENDS[dice.common(ENDS.len())])
}

/// The man's or the woman's form.
fn turn(stem: &str, woman: bool) -> String {
    match (woman, stem.strip_suffix("ский")) {
        (true, Some(start)) => format!("{start}ская"),
        (true, None) if stem.ends_with("ов") || stem.ends_with("ев") || stem.ends_with("ин") => format!("{stem}а"),
        _ => stem.to_owned(),
    }
}

/// The man's form of either.
fn stem(surname: &str) -> String {
    if let Some(start) = surname.strip_suffix("ская") {
        return format!("{start}ский");
    }
    let hers = ["ова", "ева", "ина"].iter().any(|it| surname.ends_with(it));
    if hers { surname.trim_end_matches('а').to_owned() } else { surname.to_owned() }
}

fn phone(dice: &mut Dice, latin: bool) -> String {
    if latin {
        let areas = [212, 305, 312, 415, 617, 713];
        return format!("+1{}{}{:07}", areas[dice.below(areas.len())], 2 + dice.below(8), dice.below(10_000_000))
            .chars()
            .take(12)
            .collect();
    }
    let codes = [903, 905, 909, 910, 912, 916, 919, 921, 922, 925, 926, 950, 961, 977, 985];
    format!("+7{}{:07}", codes[dice.below(codes.len())], dice.below(10_000_000))
}

fn address(dice: &mut Dice, given: &Form, surname: &str, number: usize) -> String {
    const DOMAINS: &[&str] = &["mail.ru", "yandex.ru", "gmail.com", "bk.ru", "inbox.ru", "outlook.com"];
    let (given, surname) = (latin(given.full, 0).to_lowercase(), latin(surname, 0).to_lowercase().replace('\'', ""));
    let domain = DOMAINS[dice.common(DOMAINS.len())];
    let short: String = given.chars().take(1).collect();
    match dice.below(4) {
        0 => format!("{given}.{surname}{number}@{domain}"),
        1 => format!("{short}{surname}{}{number}@{domain}", dice.below(10)),
        2 => format!("{surname}_{number}@{domain}"),
        _ => format!("user{}{number}@{domain}", dice.below(100)),
    }
}

/// One slip of the fingers.
fn slip(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() < 4 {
        return text.to_owned();
    }
    let at = 1 + dice.below(letters.len() - 2);
    match dice.below(3) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

/// A Latin letter for its Cyrillic twin, as broken keyboards write.
fn twin(text: &str) -> String {
    text.chars()
        .map(|it| match it {
            'а' => 'a',
            'о' => 'o',
            'е' => 'e',
            'с' => 'c',
            other => other,
        })
        .collect()
}

/// A person's name as one channel shows it: given name, surname, or both in one.
fn name(dice: &mut Dice, it: &Person) -> [String; 3] {
    let short = !it.given.short.is_empty() && dice.chance(30);
    let given = if short { it.given.short[dice.below(it.given.short.len())] } else { it.given.full };
    let mut given = given.to_owned();
    let mut surname = it.maiden.as_ref().filter(|_| dice.chance(40)).unwrap_or(&it.surname).clone();
    if dice.chance(5) {
        surname = slip(dice, &surname);
    }
    if dice.chance(2) {
        given = slip(dice, &given);
    }
    if !it.latin {
        if dice.chance(20) {
            let standard = dice.below(4);
            (given, surname) = (latin(&given, standard), latin(&surname, standard));
        } else if dice.chance(3) {
            surname = twin(&surname);
        }
    }
    match dice.below(10) {
        0 => [String::new(), String::new(), format!("{surname} {given}")],
        1..=3 => [String::new(), String::new(), format!("{given} {surname}")],
        4 => [String::new(), String::new(), given],
        5 => [surname, given, String::new()],
        _ => [given, surname, String::new()],
    }
}

/// As people write a phone.
fn written(dice: &mut Dice, phone: &str) -> String {
    let digits = &phone[1..];
    match (phone.starts_with("+7"), dice.below(4)) {
        (true, 0) => format!("8{}", &digits[1..]),
        (true, 1) => format!("8 ({}) {}-{}-{}", &digits[1..4], &digits[4..7], &digits[7..9], &digits[9..]),
        (_, 2) => format!("{} {} {}", &phone[..phone.len() - 7], &digits[digits.len() - 7..digits.len() - 4], &digits[digits.len() - 4..]),
        _ => phone.to_owned(),
    }
}

/// What one person sends.
fn traffic(dice: &mut Dice, it: &Person) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for _ in 0..=dice.common(6) {
        let none = String::new;
        let own = it.given.full.to_owned();
        let [given, surname, full] = name(dice, it);
        let number = it.phones[dice.below(it.phones.len())].clone();
        let city = if dice.chance(50) { it.city.to_owned() } else { none() };
        let line = match dice.below(10) {
            // WhatsApp: phone and a name of one's own choice.
            0..=2 => [none(), none(), if full.is_empty() { own } else { full }, number, none(), none(), none(), none(), none()],
            // Telegram: an account, seldom with its phone.
            3 | 4 => {
                let shared = if dice.chance(25) { number } else { none() };
                [given, surname, full, shared, none(), format!("telegram:{}", it.telegram), none(), none(), none()]
            }
            // A call: at times through the company's switchboard, mostly without a name.
            5 => {
                let board = it.company.map(|company| format!("+7495{:07}", 1_000_000 + company * 17));
                let named = dice.chance(25);
                let keep = |text: String| if named { text } else { String::new() };
                [
                    keep(given),
                    keep(surname),
                    keep(full),
                    board.filter(|_| dice.chance(70)).unwrap_or(number),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]
            }
            // A mail, at times from the role's address of a company.
            6 => {
                let role = it.company.filter(|_| dice.chance(30)).map(|company| format!("info@company{company}.ru"));
                let company = it.company.map(|company| format!("ООО Компания {company}")).unwrap_or_default();
                [given, surname, full, none(), role.or_else(|| it.email.clone()).unwrap_or_else(none), none(), city, none(), company]
            }
            // A form.
            _ => {
                let email = it.email.clone().filter(|_| dice.chance(70)).unwrap_or_default();
                let number = if email.is_empty() || dice.chance(70) { written(dice, &number) } else { none() };
                let birth = if dice.chance(30) { it.birth.clone() } else { none() };
                [given, surname, full, number, email, none(), city, birth, none()]
            }
        };
        lines.push(line.to_vec());
    }
    lines
}
