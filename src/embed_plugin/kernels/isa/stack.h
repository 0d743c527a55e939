/* GCC keeps 16 bytes of alignment for the stack on Windows, and moves registers of 32 and 64 bytes to it as if it kept
 * more (its bug 54412): the program ends there. Its assembler, of binutils 2.38 and later, can make such moves unaligned
 * ones, which are as fast; hatch_build.py asks for that, and says so by UNALIGNED_MOVES. */
#pragma once

#if defined _WIN32 && defined __GNUC__ && !defined __clang__ && !defined UNALIGNED_MOVES
#error "an assembler that knows -muse-unaligned-vector-move is needed"
#endif
