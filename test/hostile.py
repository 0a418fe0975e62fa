"""Messages as they should not be, near to right ones and far from them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from posemo_ros.images import DEPTH_ENCODINGS, ENCODINGS

SIZES = st.one_of(st.integers(0, 40), st.sampled_from([2**31, 2**32 - 1]))
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-2000, 2000),
    st.sampled_from([0.0, 1.0, 600.0, 320.0, 1e-300]),
)


@st.composite
def raw_images(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of sensor_msgs/Image, near to right ones and far from them."""
    encoding = draw(
        st.one_of(st.sampled_from((*ENCODINGS, *DEPTH_ENCODINGS)), st.text(max_size=12), st.just(""))
    )
    width, height = draw(SIZES), draw(SIZES)
    pixel = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]))
    step = draw(st.one_of(st.just(min(width * pixel, 2**32 - 1)), st.integers(0, 200)))
    wanted = min(step * height, 4096)
    size = draw(st.one_of(st.just(wanted), st.just(wanted * 3 // 2), st.integers(0, 4096)))
    filler = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f\x80\x01", b"\x00\x00\xc0\x7f"]))
    return {
        "encoding": encoding,
        "height": height,
        "width": width,
        "step": step,
        "is_bigendian": draw(st.booleans()),
        "data": (filler * (size // len(filler) + 1))[:size],
    }
