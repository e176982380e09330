//! What is wrong with some of the units, by lot.

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lot {
    Good,
    /// The compiler takes its time.
    Slow,
    /// Its text is asked for on the VM's thread.
    OnVmThread,
    SyntaxError,
    /// The compiler dies of a signal.
    Crash,
    /// The compiler leaves half an object and fails.
    DiesHalfway,
    Hang,
    /// The linker takes it, the loader does not.
    Unresolved,
    NoEntry,
    NoText,
    Panic,
}

impl Lot {
    /// The first units are so that what must have happened in a round has happened, however slow the machine is.
    pub fn draw(number: u64, rng: &mut fastrand::Rng) -> Self {
        match number {
            6 => return Self::Crash,
            7 => return Self::OnVmThread,
            _ => {}
        }
        match rng.u32(..1000) {
            0..25 => Self::SyntaxError,
            25..40 => Self::Crash,
            40..55 => Self::DiesHalfway,
            55..60 => Self::Hang,
            60..75 => Self::Unresolved,
            75..85 => Self::NoEntry,
            85..100 => Self::NoText,
            100..110 => Self::Panic,
            110..125 => Self::Slow,
            125..200 => Self::OnVmThread,
            _ => Self::Good,
        }
    }

    /// Whether there will be code.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Good | Self::Slow | Self::OnVmThread)
    }

    /// What it adds to the C text: no comment, which a merged text would not have.
    pub fn text(self) -> &'static str {
        match self {
            Self::Slow => "_Static_assert(1, \"fake-cc: slow \");\n",
            Self::Crash => "_Static_assert(1, \"fake-cc: crash \");\n",
            Self::DiesHalfway => "_Static_assert(1, \"fake-cc: die-halfway \");\n",
            Self::Hang => "_Static_assert(1, \"fake-cc: hang \");\n",
            Self::SyntaxError => "long broken(\n",
            _ => "",
        }
    }
}

const WANTED: &str = "a panic that the soak wants";

pub fn panic_as_wanted() -> ! {
    panic!("{WANTED}")
}

/// The worker catches them; their messages would hide others.
pub fn keep_wanted_panics_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(WANTED) {
            usual(info);
        }
    }));
}
