"""The columns of the two catalogues in bulk order: name, type, decimals, and whether nulls may
occur.

The point source catalogue is a list. The extended source catalogue is made of families that repeat
for each band and each aperture, so it is written as the families and unrolled.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["double", "float", "int16", "int32", "text", "date"]

BANDS = ("j", "h", "k")
CIRCLES = (5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70)
"""Radii in arcsec of the fixed apertures of the extended source catalogue."""

SCORES = ("mxdn", "sh", "wsh", "r23", "1mm", "2mm", "vint", "r1", "msh")
"""The star-galaxy scores kept for each band."""

ARROW: dict[Kind, pa.DataType] = {
    "double": pa.float64(),
    "float": pa.float32(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "text": pa.string(),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class SampleColumn:
    """One column of a bulk file; ``decimals`` is the most that a number of it is written with,
    ``width`` is of text."""

    name: str
    kind: Kind
    decimals: int = 0
    width: int = 0
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, ARROW[self.kind], nullable=self.nullable)


def _columns(kind: Kind, decimals: int, names: str, nullable: bool = True) -> list[SampleColumn]:
    return [SampleColumn(name, kind, decimals, nullable=nullable) for name in names.split()]


def _texts(nullable: bool = False, **widths: int) -> list[SampleColumn]:
    return [SampleColumn(name, "text", width=width, nullable=nullable) for name, width in widths.items()]


def _each_band(*parts: tuple[str, Kind, int]) -> list[SampleColumn]:
    return [SampleColumn(f"{b}_{name}", kind, d, nullable=True) for b in BANDS for name, kind, d in parts]


PSC_COLUMNS: tuple[SampleColumn, ...] = (
    *_columns("double", 6, "ra decl", False),
    *_columns("float", 2, "err_maj err_min", False),
    *_columns("int16", 0, "err_ang", False),
    *_texts(designation=17),
    *_each_band(("m", "float", 3), ("cmsig", "float", 3), ("msigcom", "float", 3), ("snr", "float", 1)),
    *_texts(ph_qual=3, rd_flg=3, bl_flg=3, cc_flg=3, ndet=6),
    *_columns("float", 1, "prox", False),
    *_columns("int16", 0, "pxpa"),
    *_columns("int32", 0, "pxcntr", False),
    *_columns("int16", 0, "gal_contam mp_flg", False),
    *_columns("int32", 0, "pts_key", False),
    *_texts(hemis=1),
    SampleColumn("date", "date", width=10),
    *_columns("int16", 0, "scan", False),
    *_columns("float", 3, "glon glat", False),
    *_columns("float", 1, "x_scan", False),
    *_columns("double", 4, "jdate", False),
    *_each_band(("psfchi", "float", 2)),
    *_each_band(("m_stdap", "float", 3), ("msig_stdap", "float", 3)),
    *_columns("int32", 0, "dist_edge_ns dist_edge_ew", False),
    *_texts(dist_edge_flg=2),
    *_columns("int16", 0, "dup_src use_src", False),
    *_texts(a=1),
    *_columns("float", 1, "dist_opt"),
    *_columns("int16", 0, "phi_opt"),
    *_columns("float", 2, "b_m_opt vr_m_opt"),
    *_columns("int16", 0, "nopt_mchs", False),
    *_columns("int32", 0, "ext_key"),
    *_columns("int32", 0, "scan_key coadd_key", False),
    *_columns("int16", 0, "coadd", False),
)


def _aperture(suffix: str) -> list[SampleColumn]:
    """Photometry with one aperture for all bands."""
    return _each_band((f"m_{suffix}", "float", 3), (f"msig_{suffix}", "float", 3), (f"flg_{suffix}", "int16", 0))


def _shared(suffix: str) -> list[SampleColumn]:
    return [*_columns("float", 1, f"r_{suffix}"), *_aperture(suffix)]


def _own(suffix: str) -> list[SampleColumn]:
    """Photometry with an aperture of each band's own."""
    return _each_band(
        (f"r_{suffix}", "float", 1),
        (f"m_{suffix}", "float", 3),
        (f"msig_{suffix}", "float", 3),
        (f"flg_{suffix}", "int16", 0),
    )


XSC_COLUMNS: tuple[SampleColumn, ...] = (
    *_columns("double", 4, "jdate", False),
    *_texts(designation=17),
    *_columns("double", 6, "ra decl", False),
    *_columns("double", 6, "sup_ra sup_dec"),
    *_columns("float", 3, "glon glat", False),
    *_columns("float", 2, "density"),
    *_shared("k20fe"),
    *_columns("float", 1, "r_3sig"),
    *_each_band(("ba", "float", 3), ("phi", "int16", 0)),
    *_columns("float", 1, "sup_r_3sig"),
    *_columns("float", 3, "sup_ba"),
    *_columns("int16", 0, "sup_phi"),
    *_shared("fe"),
    *_columns("float", 2, "r_ext"),
    *_each_band(("m_ext", "float", 3), ("msig_ext", "float", 3), ("pchi", "float", 3)),
    *_each_band(("r_eff", "float", 2), ("mnsurfb_eff", "float", 2)),
    *_each_band(("con_indx", "float", 2)),
    *_each_band(("peak", "float", 2)),
    *_each_band(("5surf", "float", 2)),
    *_columns("float", 2, "e_score g_score"),
    *_columns("int16", 0, "vc"),
    *_texts(cc_flg=1),
    *_columns("int16", 0, "im_nx"),
    *_shared("k20fc"),
    *_own("e"),
    *_own("c"),
    *_shared("fc"),
    *_own("i20e"),
    *_own("i20c"),
    *_own("i21e"),
    *_shared("j21fe"),
    *_own("i21c"),
    *_shared("j21fc"),
    *(column for radius in CIRCLES for column in _aperture(str(radius))),
    *_each_band(("m_sys", "float", 3), ("msig_sys", "float", 3)),
    *_columns("int16", 0, "sys_flg contam_flg"),
    *_each_band(("5sig_ba", "float", 3), ("5sig_phi", "int16", 0)),
    *_each_band(("d_area", "int16", 0), ("perc_darea", "int16", 0)),
    *_each_band(("bisym_rat", "float", 3), ("bisym_chi", "float", 3)),
    *_each_band(("sh0", "float", 2), ("sig_sh0", "float", 2)),
    *_each_band(*((f"sc_{score}", "float", 1) for score in SCORES)),
    *_columns("float", 1, "j_chif_ellf k_chif_ellf"),
    *_columns("int16", 0, "ellfit_flg"),
    *_columns("float", 1, "sup_chif_ellf"),
    *_columns("int16", 0, "n_blank n_sub bl_sub_flg id_flg"),
    *_texts(True, id_cat=20, fg_flg=6),
    *_columns("int16", 0, "blk_fac"),
    *_columns("int16", 0, "dup_src use_src", False),
    *_columns("float", 1, "prox"),
    *_columns("int16", 0, "pxpa"),
    *_columns("int32", 0, "pxcntr dist_edge_ns"),
    *_columns("int16", 0, "dist_edge_ew"),
    *_texts(True, dist_edge_flg=2),
    *_columns("int32", 0, "pts_key mp_key"),
    *_columns("int16", 0, "night_key", False),
    *_columns("int32", 0, "scan_key coadd_key", False),
    *_texts(hemis=1),
    SampleColumn("date", "date", width=10),
    *_columns("int16", 0, "scan coadd", False),
    *_columns("int32", 0, "id", False),
    *_columns("float", 1, "x_coadd y_coadd"),
    *_each_band(("subst2", "float", 1)),
    *_each_band(("back", "float", 1)),
    *_each_band(("resid_ann", "float", 3)),
    *_each_band(("bndg_per", "int32", 0), ("bndg_amp", "float", 3)),
    *_each_band(("seetrack", "float", 1)),
    *_columns("int32", 0, "ext_key", False),
)

PSC_SCHEMA = pa.schema([column.field for column in PSC_COLUMNS])
XSC_SCHEMA = pa.schema([column.field for column in XSC_COLUMNS])
