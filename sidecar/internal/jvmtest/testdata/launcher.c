// A program that is no java command and runs a class in a JVM of its own. With
// OWN_HANDLER it takes SIGQUIT as the order to end, which HotSpot does not see.
#include <dlfcn.h>
#include <jni.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void end(int s) { (void)s; _exit(3); }

int main(int argc, char **argv) {
  void *lib = dlopen(getenv("LIBJVM"), RTLD_NOW | RTLD_GLOBAL);
  if (!lib) { fprintf(stderr, "%s\n", dlerror()); return 1; }
  jint (*create)(JavaVM **, void **, void *) = (jint (*)(JavaVM **, void **, void *))dlsym(lib, "JNI_CreateJavaVM");
  JavaVMOption options[64];
  int n = 0, i = 1;
  for (; i < argc && argv[i][0] == '-' && n < 64; i++) {
    if (!strcmp(argv[i], "-cp") && i + 1 < argc) {
      char *s = malloc(strlen(argv[i + 1]) + 32);
      sprintf(s, "-Djava.class.path=%s", argv[++i]);
      options[n++].optionString = s;
    } else options[n++].optionString = argv[i];
  }
  JavaVMInitArgs args = {JNI_VERSION_10, n, options, JNI_FALSE};
  JavaVM *vm; JNIEnv *env;
  if (create(&vm, (void **)&env, &args) != JNI_OK) return 1;
  if (getenv("OWN_HANDLER")) signal(SIGQUIT, end);
  jclass c = (*env)->FindClass(env, argv[i]);
  jmethodID m = (*env)->GetStaticMethodID(env, c, "main", "([Ljava/lang/String;)V");
  jobjectArray a = (*env)->NewObjectArray(env, argc - i - 1, (*env)->FindClass(env, "java/lang/String"), NULL);
  for (int k = i + 1; k < argc; k++)
    (*env)->SetObjectArrayElement(env, a, k - i - 1, (*env)->NewStringUTF(env, argv[k]));
  (*env)->CallStaticVoidMethod(env, c, m, a);
  return 0;
}
