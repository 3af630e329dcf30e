"""What Lambda SnapStart charges, and from which start on it costs less than starting."""

from __future__ import annotations

from dataclasses import dataclass

from glimpse_scaling.bill import MB_A_GB, MILLION, Rates

SECONDS_A_MONTH = 730 * 3600


@dataclass(frozen=True)
class Charges:
    """US dollars for a memory size."""

    version_month: float
    """The snapshot of one published version, cached for a month."""
    restores_million: float
    """A million environments restored."""
    break_even_s: float
    """A start that takes longer costs more than a restore, the cached snapshot not counted."""


def charges(rates: Rates, megabytes: float) -> Charges:
    """Both charges grow with the memory size, not with what the function uses of it."""
    gigabytes, prices = megabytes / MB_A_GB, rates.prices
    return Charges(
        version_month=gigabytes * SECONDS_A_MONTH * prices.snapstart_cache_gb_second,
        restores_million=gigabytes * MILLION * prices.snapstart_restore_gb,
        break_even_s=prices.snapstart_restore_gb / rates.gb_second,
    )
