#include "avx512_vnni.h"

TABLE(avx512_vnni_arithmetic, "avx512-vnni", multiply_all);
