"""Meanings of common column names, and UCD1 words as UCD1+ 1.5: lists only."""

from __future__ import annotations

from dataclasses import dataclass

UCD1 = {
    "POS_EQ_RA_MAIN": "pos.eq.ra;meta.main", "POS_EQ_DEC_MAIN": "pos.eq.dec;meta.main", "ID_MAIN": "meta.id;meta.main",
    "POS_EQ_RA": "pos.eq.ra", "POS_EQ_DEC": "pos.eq.dec", "POS_GAL_LON": "pos.galactic.lon",
    "POS_GAL_LAT": "pos.galactic.lat", "POS_EQ_PMRA": "pos.pm;pos.eq.ra", "POS_EQ_PMDEC": "pos.pm;pos.eq.dec",
    "POS_PARLX_TRIG": "pos.parallax.trig", "REDSHIFT_HC": "src.redshift", "VELOC_HC": "spect.dopplerVeloc",
    "ID_IDENTIFIER": "meta.id", "ID_NUMBER": "meta.id", "RECORD": "meta.record", "ERROR": "stat.error",
    "CODE_QUALITY": "meta.code.qual", "CODE_MISC": "meta.code", "TIME_DATE": "time.epoch", "TIME_EPOCH": "time.epoch",
    "PHOT_JHN_J": "phot.mag;em.IR.J", "PHOT_JHN_H": "phot.mag;em.IR.H", "PHOT_JHN_K": "phot.mag;em.IR.K",
    "PHOT_JHN_U": "phot.mag;em.opt.U", "PHOT_JHN_B": "phot.mag;em.opt.B", "PHOT_JHN_V": "phot.mag;em.opt.V",
    "PHOT_JHN_R": "phot.mag;em.opt.R", "PHOT_JHN_I": "phot.mag;em.opt.I", "PHOT_MAG_OPTICAL": "phot.mag;em.opt",
    "REMARKS": "meta.note", "NUMBER": "meta.number", "CLASS_OBJECT": "src.class", "SPECT_TYPE_MK": "src.spType",
}  # fmt: skip
"""UCD1 words and their replacements."""


@dataclass(frozen=True, slots=True)
class NameMeaning:
    """A meaning of a name: pattern, UCD, description, and the possible units; "" means no unit."""

    name: str
    ucd: str
    words: str
    units: tuple[str, ...] = ()
    family: str = "number"


_ANGLE = ("deg", "rad", "arcsec", "arcmin", "mas", "")
_MOTION = ("mas/yr", "arcsec/yr", "deg/yr", "mas.yr**-1", "")
_TIME = ("d", "yr", "s", "")
MEANINGS = (
    NameMeaning(r"pm_?ra.*|pm_?r\.?a|mu_?(ra|alpha).*", "pos.pm;pos.eq.ra", "Proper motion in right ascension",
            _MOTION),
    NameMeaning(r"pm_?de.*|mu_?(de|delta).*", "pos.pm;pos.eq.dec", "Proper motion in declination", _MOTION),
    NameMeaning(r"pm|mu|proper_?motion", "pos.pm", "Proper motion", _MOTION[:-1]),
    NameMeaning(r"parallax|plx", "pos.parallax.trig", "Parallax", ("mas", "arcsec", "")),
    NameMeaning(r"_*r\.?a(_.*|j\d+|deg|2000|mean)?|(mean|.*_)ra|right_?ascension|alpha(_.*)?", "pos.eq.ra",
            "Right ascension", ("deg", "")),
    NameMeaning(r"_*dec?l?(_.*|j\d+|deg|2000|mean)?|(mean|.*_)dec|declination|delta(_.*)?", "pos.eq.dec",
            "Declination", ("deg", "")),
    NameMeaning(r"g(al)?_?lon.*|gal_?l|lii?", "pos.galactic.lon", "Galactic longitude", ("deg",)),
    NameMeaning(r"g(al)?_?lat.*|gal_?b|bii?", "pos.galactic.lat", "Galactic latitude", ("deg",)),
    NameMeaning(r"g(al)?_?lon.*", "pos.galactic.lon", "Galactic longitude", ("",)),
    NameMeaning(r"g(al)?_?lat.*", "pos.galactic.lat", "Galactic latitude", ("",)),
    NameMeaning(r"e(cl)?_?lon.*", "pos.ecliptic.lon", "Ecliptic longitude", ("deg", "")),
    NameMeaning(r"e(cl)?_?lat.*", "pos.ecliptic.lat", "Ecliptic latitude", ("deg", "")),
    NameMeaning(r"z_?phot?(o|_.*)?|phot_?z|photo_?z", "src.redshift.phot", "Photometric redshift", ("",)),
    NameMeaning(r"z|z_?spec|spec_?z|redshift|z_?best", "src.redshift", "Redshift", ("",)),
    NameMeaning(r"h?rv|radial_?velocity|v_?rad|v_?hel(io)?|cz", "spect.dopplerVeloc",
            "Radial velocity", ("km/s", "m/s", "")),
    NameMeaning(r"t_?eff.*", "phys.temperature.effective", "Effective temperature", ("K", "")),
    NameMeaning(r"log_?g.*", "phys.gravity", "Logarithm of the surface gravity", ("", "cm/s**2", "cm.s**-2", "dex")),
    NameMeaning(r"fe_?h|\[?fe/h\]?|feh|mh|m_h|metallicity", "phys.abund.Fe", "Metallicity", ("", "dex")),
    NameMeaning(r"(r_?)?dist(ance)?.*", "pos.distance", "Distance", ("pc", "kpc", "Mpc")),
    NameMeaning(r"ang_?dist|sep(aration)?|r", "pos.angDistance", "Angular distance", ("arcsec", "arcmin", "mas")),
    NameMeaning(r"e_?b_?v|e\(?b-v\)?", "phot.color.excess", "Colour excess E(B-V)", ("mag", "")),
    NameMeaning(r"s_?n_?r?|.*_snr?", "stat.snr", "Signal-to-noise ratio", ("",)),
    NameMeaning(r"(.*_)?mass", "phys.mass", "Mass", ("solMass", "kg", "g", "")),
    NameMeaning(r"(.*_)?radius|r_?star", "phys.size.radius", "Radius", ("solRad", "km", "m")),
    NameMeaning(r"(.*_)?lum(inosity)?", "phys.luminosity", "Luminosity", ("solLum", "W", "erg/s")),
    NameMeaning(r"p\.?a\.?|pos(ition)?_?ang(le)?|theta(_.*)?|err_?ang", "pos.posAng", "Position angle", ("deg", "")),
    NameMeaning(r"err_?maj|(.*_)?a_?err", "phys.angSize.smajAxis;pos.errorEllipse",
            "Semi-major axis of the error ellipse", _ANGLE),
    NameMeaning(r"err_?min", "phys.angSize.sminAxis;pos.errorEllipse", "Semi-minor axis of the error ellipse", _ANGLE),
    NameMeaning(r"ellipticity|ell", "src.ellipticity", "Ellipticity", ("",)),
    NameMeaning(r"period|p", "time.period", "Period", _TIME[:-1]),
    NameMeaning(r"h?mjd(_.*)?|(.*_)mjd|h?b?jd|julian_?date|epoch|t_?obs", "time.epoch", "Time", _TIME),
    NameMeaning(r"(obs_?)?date(_?obs)?|(obs_?)?time|.*_date|epoch|timestamp", "time.epoch", "Time", ("",), "time"),
    NameMeaning(r"age", "time.age", "Age", ("yr", "Myr", "Gyr")),
    NameMeaning(r"exp_?time|exposure(_time)?", "time.duration;obs.exposure", "Exposure time", ("s", "")),
    NameMeaning(r"n_?obs|num_?obs|n_?det(ections)?|n", "meta.number", "Number", ("",), "integer"),
    NameMeaning(r"(.*_)?(flag|flg|quality|qual)s?(_.*)?|[a-z]?q?fl(a?)g", "meta.code.qual", "Flag", ("",), "any"),
    NameMeaning(r"recno|row_?(id|number|no)|record", "meta.record", "Number of the row", ("",), "integer"),
    NameMeaning(r"(.*_)?(id|ids|identifier|designation|objid|sourceid|source_?name|(main_)?name|object|objname|star|target)(_.*)?"
            r"|(hip|hd|tyc|kic|tic|ngc|2mass|gaia.*|sdss|c_2mass)", "meta.id", "Identifier", ("",), "any"),
    NameMeaning(r"(obj|object|source|src)?_?(class|type)", "src.class", "Class of the object", ("",), "any"),
    NameMeaning(r"sp(ectral)?_?type|sptype", "src.spType", "Spectral type", ("",), "text"),
    NameMeaning(r"bibcode", "meta.bib.bibcode", "Bibcode", ("",), "text"),
    NameMeaning(r"(.*_)?(url|link)", "meta.ref.url", "Link", ("",), "text"),
    NameMeaning(r"(.*_)?(comments?|notes?|remarks?)", "meta.note", "Note", ("",), "text"),
    NameMeaning(r"s_region|footprint", "pos.outline;obs.field", "Region on the sky", ("",), "any"),
)  # fmt: skip
"""Meanings of names; the first match wins."""

BANDS = {
    "u": "em.opt.U", "b": "em.opt.B", "v": "em.opt.V", "g": "em.opt.B", "r": "em.opt.R", "i": "em.opt.I",
    "z": "em.opt.I", "bt": "em.opt.B", "vt": "em.opt.V", "bp": "em.opt.B", "rp": "em.opt.R", "phot_g_mean": "em.opt",
    "phot_bp_mean": "em.opt.B", "phot_rp_mean": "em.opt.R", "j": "em.IR.J", "h": "em.IR.H", "k": "em.IR.K",
    "ks": "em.IR.K", "w1": "em.IR.3-4um", "w2": "em.IR.4-8um", "w3": "em.IR.8-15um", "w4": "em.IR.15-30um",
    "fuv": "em.UV.100-200nm", "nuv": "em.UV.200-300nm",
}  # fmt: skip
"""UCDs of photometric bands by their names in lower case."""
