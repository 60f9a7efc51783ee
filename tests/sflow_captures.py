"""Datagrams from the userspace datapath of ovs-vswitchd 3.1.0, compressed and in base 85."""

import base64
import zlib


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode("".join(text.split())))


FLOW_AND_COUNTERS = _unpacked(  # a packet, then the counters of the datapath and of each port
    "c-"
    "muNU|?lnU|_5VVg?A{W?+zxV1SAP@eCkVU}9i?0i>CL*a51JsR6<VV&<1XT7Ur)fb>T|X)hpV0b(~}W00<Yx8k<#O>MiI08%Gl_5WW3M9ZIBasU4TW&Sgvn8"
    "eh|;0d;wkrATv|9_}^Vt|+(;XaPpKw1NcMM3Tc>yQp$zzsO&0|^NrHUwfmkjVf4V6*w4G{}xKAUmL8!U7dDftm211ON=HH$W{s3=Cr1rf!_<57hk+DE1cQ5F"
    "lnwDl$M0H;{d7Ap1hNpTNYKp#kCrbra0J45(}tE+D~+uopEnk^IC=eLsQI1k6t?sU;akNPc3*?I$ibAR&v}Pkgt4gf<a=Vxobc7}5M>h~y_G3jCx7Bs8)42>"
    "_=*`!o"
)
MPLS = _unpacked(  # six packets, some with pushed MPLS labels
    "c-muNU|?lnU|_5VVg?8hWMI(x0i@X&AYyNTSc{2)`2~<>0^$&;IuM%~f|*|eX#oaI0Mb7JLbEOd(kwvSP*-"
    "hx@c62Kx8k<#P32&4Wni7McA*1<gJAJiE}%*vX6o3{v5U3gd<6rI0P{N_A;N(0GsLZIjt)?<3qY)m<mWInKQj^MXNGUM{LJuV?N*SVD*}=Hyqn>|jq9}XGuS"
    ";dfLI5~UlA~WH9+{-{KXFSGb2<zi1vZ{%LBt-"
    "R%_>j{8cH4<gc9!YPWQWcAqYi`=V&zz6D_S36SMJP+rhOa$gJ$^1@<pUf4Wn@&d@u`bd6`qk*57fc?B_;Qb5$4!?kJ"
)
