/* What other programs find in the library; all else is hidden. */
#pragma once

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
